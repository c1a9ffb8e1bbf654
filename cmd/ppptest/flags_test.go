package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A mistake is told in one line that names the flag, before anything is sent.
func TestMistakes(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	secret, none, bad := write("secret", "secret4\r\n"), write("none", "\n"), write("bad.cases", "rfc 1661\ncase x 5\nsays Y.\n> lcp nonsense\n")
	for _, c := range []struct{ args, want string }{
		{"", "which end are we?"},
		{"frobnicate", `"frobnicate" is no command`},
		{"ac", "which interface? -i IFACE"},
		{"ac eth9", `"eth9" is one too many`},
		{"ac -i eth9 --frobnicate", "unknown flag: --frobnicate"},
		{"ac -i eth9 --families ipx", `--families: "ipx" is neither ipv4 nor ipv6`},
		{"ac -i eth9 --delegation", "--delegation goes with --families ipv6"},
		{"ac -i eth9 --auth eap", `--auth: "eap" is neither pap nor chap`},
		{"ac -i eth9 --format xml", `--format: "xml" is none of`},
		{"ac -i eth9 --rate 0", "--rate and --time must be greater than zero"},
		{"ac -i eth9 --wait 0s", "--wait must be greater than zero"},
		{"ac -i eth9 --peer ff:ff:ff:ff:ff:ff", `--peer: "ff:ff:ff:ff:ff:ff" is not the Ethernet address of one station`},
		{"ac -i eth9 --dns 192.0.2.1", "--dns: want two addresses"},
		{"ac -i eth9 --our-address 2001:db8::1", `--our-address: "2001:db8::1" is no IPv4 address`},
		{"ac -i eth9 --prefix 192.0.2.0/24", `--prefix: "192.0.2.0/24" is no IPv6 prefix`},
		{"ac -i eth9 --run (", "--run: error parsing regexp"},
		{"ac -i eth9 --run nosuchcase", `--run: no case has a name like "nosuchcase"`},
		{"ac -i eth9 --cases " + dir + "/nosuch", "--cases: open "},
		{"ac -i eth9 --cases " + bad, "bad.cases:4: "},
		{"client -i eth9", "--username and --password-file: which login?"},
		{"client -i eth9 --username u", "--username and --password-file: which login?"},
		{"client -i eth9 --username u --password-file " + none, "--password-file: the first line of " + none + " is empty"},
		{"client -i eth9 --password-file " + secret + " --username " + strings.Repeat("u", 256), "at most 255 octets"},
		{"report run.json", "0 names for 1 implementations"},
		{"report --name x " + dir + "/nosuch", "nosuch: no such file"},
	} {
		root := newRoot()
		root.SetArgs(strings.Fields(c.args))
		err := root.Execute()
		var usage usageError
		if !errors.As(err, &usage) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("ppptest %s: %v, want a usage error with %q", c.args, err, c.want)
		}
	}
}
