// Command ppptest asks a PPPoE peer, a client or an access concentrator, whether
// it does what the RFCs say, and whether it stands what they do not.
package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// Exit statuses, as pppoectl's.
const (
	exitFailed    = 1
	exitUsage     = 2
	exitPrivilege = 3
)

type usageError struct{ error }

type privilegeError struct{ error }

// errFailed says that a case has failed, which the report has told already.
var errFailed = errors.New("a case has failed")

// version is set by the linker for releases.
var version = "0.1.0-dev"

func main() {
	unix.Umask(0o077)
	err := newRoot().Execute()
	if err == nil {
		return
	}
	if !errors.Is(err, errFailed) {
		fmt.Fprintf(os.Stderr, "ppptest: %v\n", err)
	}
	var usage usageError
	var privilege privilegeError
	switch {
	case errors.As(err, &usage):
		os.Exit(exitUsage)
	case errors.As(err, &privilege):
		os.Exit(exitPrivilege)
	}
	os.Exit(exitFailed)
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "ppptest client|ac -i IFACE",
		Short: "asks a PPPoE peer whether it does what the RFCs say",
		Long: `Asks a PPPoE peer whether it does what the RFCs say, and whether it stands what they do not.

` + "`ppptest ac`" + ` is the access concentrator that a client dials; ` + "`ppptest client`" + ` is the client that dials an
access concentrator. Some cases send frames that have made implementations crash: never point it at
what somebody needs.`,
		SilenceErrors: true, SilenceUsage: true, Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{errors.New("which end are we? `ppptest ac` tests a client, `ppptest client` an access concentrator")}
			}
			return usageError{fmt.Errorf("%q is no command; see `ppptest --help`", args[0])}
		},
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.Version = version
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(newPlay(acCommand), newPlay(clientCommand), newList(), newCompare())
	return root
}

func noMore(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usageError{fmt.Errorf("%s: takes no arguments; %q is one too many", cmd.Name(), args[0])}
}
