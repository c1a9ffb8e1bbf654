package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"pppoectl/configs"
	"pppoectl/line"
	"pppoectl/netconf"
	"pppoectl/state"
	"pppoectl/supervisor"
)

func newClean(a *app) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use: "clean", Short: "take away all that a daemon has left that is no more",
		Long: `Take away all that a daemon has left that is no more: sessions that an access concentrator may still
believe in are released by a PADT, devices, addresses and routes are removed as the undo journal says.`,
		Args: nothing,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, dir := configs.Dirs(a.file)
			return clean(cmd, dir, all)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "forget the history and what is known of each login as well")
	return cmd
}

func clean(cmd *cobra.Command, dir string, all bool) error {
	if err := privileged(); err != nil {
		return err
	}
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	boot, err := state.BootID()
	if err != nil {
		return err
	}
	store, err := state.Open(dir, boot)
	if errors.Is(err, state.ErrInUse) {
		return fmt.Errorf("the daemon is running; `pppoectl stop` ends it and cleans up itself")
	}
	if err != nil {
		return err
	}
	defer store.Close()
	failed := errors.Join(releaseAll(cmd, store), undoAll(cmd, store, boot))
	if all {
		failed = errors.Join(failed, store.RemoveAll())
	}
	return failed
}

func releaseAll(cmd *cobra.Command, store *state.Store) error {
	names, err := store.Sessions()
	if err != nil {
		return err
	}
	env := supervisor.Real(&line.Watcher{})
	for _, name := range names {
		if err := supervisor.ReleaseStored(store, env, name); err != nil {
			fmt.Fprintf(os.Stderr, "pppoectl: %s: no PADT could be sent, the AC may keep the session for a while: %v\n", name, err)
			if err := store.RemoveSession(name); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s: session released\n", name)
	}
	return nil
}

func undoAll(cmd *cobra.Command, store *state.Store, boot string) error {
	journal, err := netconf.OpenJournal(store.Journal(), boot+" "+netconf.Namespace(), netconf.Linux{})
	if err != nil {
		return err
	}
	defer journal.Close()
	if text := journal.Damaged(); text != "" {
		fmt.Fprintln(os.Stderr, "pppoectl: warning:", text)
	}
	var failed []error
	for _, owner := range journal.Owners() {
		for _, c := range journal.Applied(owner) {
			fmt.Fprintf(cmd.OutOrStdout(), "%s: undo %v\n", owner, c)
		}
		failed = append(failed, journal.Apply(owner, nil))
	}
	return errors.Join(failed...)
}
