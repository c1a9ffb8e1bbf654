package configs_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pppoectl/configs"
)

// good is an uplink without a mistake; the cases add theirs.
const good = `
uplinks:
  bizf6:
    interface: eth1
    username: user@bizf6.ocn.ne.jp
    password: secret
    families: [ipv6]
`

// mistakes returns the lines that Load says of text. FILE stands for its path,
// DIR for its directory.
func mistakes(t *testing.T, text string, mode os.FileMode) []string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "p.yaml")
	dir := filepath.Dir(file)
	secret := func(name, text string, mode os.FileMode) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	secret("open.secret", "x", 0o644)
	secret("empty.secret", "\n", 0o600)
	secret("long.secret", strings.Repeat("x", 256), 0o600)
	secret("p.yaml", strings.ReplaceAll(text, "DIR", dir), mode)
	_, err := configs.Load(file)
	if err == nil {
		return nil
	}
	var lines configs.Errors
	if !errors.As(err, &lines) {
		t.Fatalf("%T, want Errors", err)
	}
	said := strings.NewReplacer(file, "FILE", dir, "DIR").Replace(lines.Error())
	return strings.Split(said, "\n")
}

func TestTwelveWrongConfigurations(t *testing.T) {
	t.Setenv("CREDENTIALS_DIRECTORY", "/nonexistent-credentials")
	replace := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	for _, c := range []struct {
		name string
		in   string
		want string // the lines, exactly
	}{
		{"nothing wrong", good, ""},
		{"unknown key", good + "    adress: none\n", `FILE: uplinks.bizf6.adress: unknown key; did you mean address?`},
		{"unknown key without likeness", good + "    colour: red\n", `FILE: uplinks.bizf6.colour: unknown key`},
		{"unknown key on top", "logs: {}\n" + good, `FILE: logs: unknown key; did you mean log?`},
		{"unknown key deep down", good + "    echo: {intervall: 10s}\n", `FILE: uplinks.bizf6.echo.intervall: unknown key; did you mean interval?`},
		{"bad prefix hint", good + "    prefix: {hint: \"2001:db8::/33x\"}\n", `FILE: uplinks.bizf6.prefix.hint: "2001:db8::/33x" is no prefix`},
		{"hint with host bits", good + "    prefix: {hint: \"2001:db8::1/56\"}\n", `FILE: uplinks.bizf6.prefix.hint: "2001:db8::1/56" has bits behind its length; 2001:db8::/56 has not`},
		{"hint that nobody delegates", good + "    prefix: {hint: \"fe80::/10\"}\n", `FILE: uplinks.bizf6.prefix.hint: "fe80::/10" is no prefix that hosts can have addresses of`},
		{"nothing to require", good + "    prefix: {request: true, require: true}\n", `FILE: uplinks.bizf6.prefix.require: needs the prefix of the contract as prefix.hint`},
		{"bad DUID", good + "    prefix: {request: true, duid: \"00:0g\"}\n", `FILE: uplinks.bizf6.prefix.duid: "00:0g" is none; ll, llt, or 3 to 130 octets such as 00:03:00:01:00:1e:13:c2:69:c2`},
		{"advertised without a word on the firewall", good + "    prefix: {request: true}\n    lan: [{interface: eth0, advertise: true}]\n", `FILE: uplinks.bizf6.firewall: is missing; with lan[0].advertise each host there is reachable from everywhere unless it is true`},
		{"LAN without a prefix", good + "    lan: [{interface: eth0}]\n", `FILE: uplinks.bizf6.lan: needs prefix: {request: true}`},
		{"the line as LAN", good + "    prefix: {request: true}\n    lan: [{interface: eth1}]\n", `FILE: uplinks.bizf6.lan[0].interface: "eth1" is the line, not a LAN`},
		{"one subnet twice", good + "    prefix: {request: true}\n    lan: [{interface: eth0}, {interface: eth2}]\n", `FILE: uplinks.bizf6.lan[1].subnet: 0 is that of lan[0] already`},
		{"a block of IPv6", good + "    block: {prefix: \"2001:db8::/56\"}\n", `FILE: uplinks.bizf6.block.prefix: "2001:db8::/56" is no IPv4 prefix such as 60.32.85.216/29`},
		{"a host outside of the block", good + "    block: {prefix: 60.32.85.216/29, host: 60.32.85.1}\n", "FILE: uplinks.bizf6.block.host: \"60.32.85.1\" is no address in 60.32.85.216/29\nFILE: uplinks.bizf6.block: needs ipv4 among the families"},
		{"one interface twice", good + "    prefix: {request: true}\n    lan: [{interface: eth0}, {interface: eth0, subnet: 1}]\n", `FILE: uplinks.bizf6.lan[1].interface: "eth0" is that of lan[0] already`},
		{"no host", good + "    prefix: {request: true}\n    lan: [{interface: eth0, host: \"2001:db8::1\"}]\n", `FILE: uplinks.bizf6.lan[0].host: "2001:db8::1" is no host part of an IPv6 address, such as ::1`},
		{"a table of the kernel", good + "    table: 254\n", `FILE: uplinks.bizf6.table: 254 is not between 1 and 2147483647, or is one of the kernel's own (253 to 255)`},
		{"name servers to nowhere", good + "    dns: {write: resolv.conf}\n", `FILE: uplinks.bizf6.dns.write: "resolv.conf" is none; none, resolved, or a file such as /etc/resolv.conf`},
		{"hint of everything", good + "    prefix: {hint: \"::/0\"}\n", `FILE: uplinks.bizf6.prefix.hint: "::/0" is everything; a hint has a length of 1 to 128`},
		{"text for a number", good + "    mtu: big\n", `FILE: uplinks.bizf6.mtu: "big" is of the wrong type; it must be a whole number`},
		{"number for text", replace("user@bizf6.ocn.ne.jp", "12"), `FILE: uplinks.bizf6.username: 12 is of the wrong type; it must be text (put it in quotes)`},
		{"text for a list", replace("[ipv6]", "ipv6"), `FILE: uplinks.bizf6.families: "ipv6" is of the wrong type; it must be a list`},
		{"text for yes or no", good + "    default-route: always\n", `FILE: uplinks.bizf6.default-route: "always" is of the wrong type; it must be true or false`},
		{"text for a table", good + "    echo: often\n", `FILE: uplinks.bizf6.echo: "often" is of the wrong type; it must be a table of keys`},
		{"list for a table", "uplinks: [bizf]\n", `FILE: uplinks: [bizf] is of the wrong type; it must be a table of keys`},
		{"bad duration", good + "    dead-after: 1 minute\n", `FILE: uplinks.bizf6.dead-after: "1 minute" is no duration; a duration looks like 10s or 2m`},
		{"duration without a unit", good + "    echo: {interval: 10}\n", `FILE: uplinks.bizf6.echo.interval: 10 has no unit; a duration looks like 10s or 2m`},
		{"duration too short", good + "    echo: {interval: 10ms}\n", `FILE: uplinks.bizf6.echo.interval: 10ms is neither 0 (no echoes) nor between 1s and 1h`},
		{"unknown data path", good + "    data-path: fast\n", `FILE: uplinks.bizf6.data-path: "fast" is none of auto, ebpf, offload, portable`},
		{"negative duration", good + "    dead-after: -1s\n", `FILE: uplinks.bizf6.dead-after: -1s is not between 5s and 24h`},
		{"mtu too small for IPv6", good + "    mtu: 1000\n", `FILE: uplinks.bizf6.mtu: 1000 is not between 1280 and 1500; Flets has 1454`},
		{"mtu too large", good + "    mtu: 9000\n", `FILE: uplinks.bizf6.mtu: 9000 is not between 1280 and 1500; Flets has 1454`},
		{"bad MAC", good + "    ac-mac: 00:1e:13\n", `FILE: uplinks.bizf6.ac-mac: "00:1e:13" is no Ethernet address of a station, such as 00:1e:13:c2:69:c2`},
		{"MAC of a group", good + "    ac-mac: ff:ff:ff:ff:ff:ff\n", `FILE: uplinks.bizf6.ac-mac: "ff:ff:ff:ff:ff:ff" is no Ethernet address of a station, such as 00:1e:13:c2:69:c2`},
		{"bad family", replace("[ipv6]", "[ipv5]"), `FILE: uplinks.bizf6.families[0]: "ipv5" is not known; ipv4 or ipv6`},
		{"family twice", replace("[ipv6]", "[ipv6, ipv6]"), `FILE: uplinks.bizf6.families[1]: "ipv6" stands there twice`},
		{"no family", replace("    families: [ipv6]\n", ""), `FILE: uplinks.bizf6.families: is missing; [ipv4] asks for IPCP, [ipv6] for IPv6CP, [ipv4, ipv6] for both`},
		{"bad authentication", good + "    auth: [eap]\n", `FILE: uplinks.bizf6.auth[0]: "eap" is not known; pap or chap`},
		{"no authentication", good + "    auth: []\n", `FILE: uplinks.bizf6.auth: allows nothing; [pap, chap] allows both`},
		{"address of another family", good + "    address: 203.0.113.7\n", `FILE: uplinks.bizf6.address: needs ipv4 among the families`},
		{"no interface", replace("    interface: eth1\n", ""), `FILE: uplinks.bizf6.interface: is missing; the line's Ethernet interface, such as eth1`},
		{"no username", replace("    username: user@bizf6.ocn.ne.jp\n", ""), `FILE: uplinks.bizf6.username: is missing; such as user@bizf.ocn.ne.jp`},
		{"no password", replace("    password: secret\n", ""), `FILE: uplinks.bizf6.password-file: is missing; or password:, or credential:`},
		{"empty password", replace("password: secret", `password: ""`), `FILE: uplinks.bizf6.password: is empty`},
		{"two passwords", good + "    password-file: DIR/open.secret\n", `FILE: uplinks.bizf6.password-file: stands beside another password; only one of password-file, password, credential`},
		{"secret that all may read", replace("password: secret", "password-file: DIR/open.secret"), `FILE: uplinks.bizf6.password-file: DIR/open.secret may be read by everybody (mode 0644); chmod 600 it`},
		{"secret that is not there", replace("password: secret", "password-file: DIR/none.secret"), `FILE: uplinks.bizf6.password-file: DIR/none.secret: no such file or directory`},
		{"secret that is empty", replace("password: secret", "password-file: DIR/empty.secret"), `FILE: uplinks.bizf6.password-file: DIR/empty.secret is empty; its first line is the password`},
		{"secret that is too long", replace("password: secret", "password-file: DIR/long.secret"), `FILE: uplinks.bizf6.password-file: is longer than 255 octets`},
		{"secret that is a directory", replace("password: secret", "password-file: DIR"), `FILE: uplinks.bizf6.password-file: DIR is no regular file`},
		{"credential that is not there", replace("password: secret", "credential: bizf6"), `FILE: uplinks.bizf6.credential: /nonexistent-credentials/bizf6: no such file or directory`},
		{"credential with a path", replace("password: secret", "credential: ../bizf6"), `FILE: uplinks.bizf6.credential: "../bizf6" is no name of a credential`},
		{"bad interface id", good + "    interface-id: xyz\n", `FILE: uplinks.bizf6.interface-id: "xyz" is no interface identifier; one looks like fd61:ff9b:eb97:1f93; or random, or mac`},
		{"bad name", strings.Replace(good, "bizf6:", "6bizf:", 1), `FILE: uplinks.6bizf: "6bizf" is no name of an uplink; 1 to 15 of a-z 0-9 _ -, a letter first`},
		{"name with capitals", strings.Replace(good, "bizf6:", "Bizf6:", 1), `FILE: uplinks.Bizf6: "Bizf6" is no name of an uplink; 1 to 15 of a-z 0-9 _ -, a letter first`},
		{"name too long", strings.Replace(good, "bizf6:", "abcdefghijklmnop:", 1), `FILE: uplinks.abcdefghijklmnop: "abcdefghijklmnop" is no name of an uplink; 1 to 15 of a-z 0-9 _ -, a letter first`},
		{"empty uplink", "uplinks:\n  bizf6:\n", `FILE: uplinks.bizf6: is empty; it needs at least interface, username and a password`},
		{"no uplinks", "log: {level: info}\n", `FILE: uplinks: none is configured`},
		{"empty file", "", `FILE: uplinks: none is configured`},
		{"TUN name that is the line", good + "    ifname: eth1\n", `FILE: uplinks.bizf6.ifname: "eth1" is the line of uplinks.bizf6`},
		{"TUN name with a slash", good + "    ifname: a/b\n", `FILE: uplinks.bizf6.ifname: "a/b" is no name of a network device`},
		{"relative directory", "run-dir: run\n" + good, `FILE: run-dir: "run" is not an absolute path`},
		{"programs beside who runs it", "hooks: {dir: hooks.d}\n" + good, `FILE: hooks.dir: "hooks.d" is neither an absolute path nor none`},
		{"bad log level", "log: {level: loud}\n" + good, `FILE: log.level: "loud" is none; one of error, warning, info, debug, trace`},
		{"bad log format", "log: {format: xml}\n" + good, `FILE: log.format: "xml" is none; text or json`},
		{"other type", good + "    type: pptp\n", `FILE: uplinks.bizf6.type: "pptp" is none; pppoe`},
		{"two default routes in one place", good + "    default-route: true\n" + `
  other: {interface: eth1, username: u, password: p, families: [ipv6], default-route: true}
`, `FILE: uplinks.other.metric: 100 is that of the ipv6 default route of uplinks.bizf6 already; give one of them another`},
		{"duplicate TUN names", good + "    ifname: ppp0\n" + `
  other:
    interface: eth1
    username: u
    password: p
    families: [ipv4]
    ifname: ppp0
`, `FILE: uplinks.other.ifname: "ppp0" is the TUN device of uplinks.bizf6 already`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := strings.Join(mistakes(t, c.in, 0o600), "\n"); got != c.want {
				t.Errorf("\nsaid %s\nwant %s", got, c.want)
			}
		})
	}
}

// CVE-2014-3158: pppd counted the length of a word with an int that overflowed.
func TestWordsOf64KiBAreRefused(t *testing.T) {
	word := strings.Repeat("x", 64<<10)
	replace := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	for name, in := range map[string]string{
		"username":       replace("user@bizf6.ocn.ne.jp", word),
		"password":       replace("password: secret", "password: "+word),
		"interface":      replace("eth1", word),
		"name":           replace("bizf6:", word+":"),
		"key":            good + "    " + word + ": 1\n",
		"AC-Name":        good + "    ac-name: " + word + "\n",
		"Service-Name":   good + "    service-name: " + word + "\n",
		"identifier":     good + "    interface-id: " + word + "\n",
		"one of a list":  good + "    auth: [" + word + "]\n",
		"number":         good + "    mtu: " + strings.Repeat("9", 64<<10) + "\n",
		"2^32 and 1454":  good + "    mtu: 4294968750\n",
		"2^64 and 1454":  good + "    mtu: 18446744073709553070\n",
		"duration":       good + "    dead-after: " + strings.Repeat("9", 64<<10) + "s\n",
		"list in a list": good + "    auth: " + strings.Repeat("[", 64<<10) + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			if len(mistakes(t, in, 0o600)) == 0 {
				t.Error("taken")
			}
		})
	}
}

// Of YAML itself the parser speaks; file and line must be there, in one line.
func TestBrokenYAMLNamesFileAndLine(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"syntax":        {"uplinks:\n  bizf: [\n", "line "},
		"tab":           {"uplinks:\n\tbizf: {}\n", "line 2"},
		"duplicate key": {good + "    mtu: 1454\n    mtu: 1400\n", "line 9"},
		"uplink twice":  {good + "  bizf6: {}\n", "line 8"},
		"no table":      {"- a\n- b\n", ""},
		"binary":        {"\x00\x01\x02", ""},
	} {
		t.Run(name, func(t *testing.T) {
			lines := mistakes(t, c.in, 0o600)
			if len(lines) != 1 || !strings.HasPrefix(lines[0], "FILE: ") || !strings.Contains(lines[0], c.want) {
				t.Errorf("said %q, want one line with the file and %q", lines, c.want)
			}
			if n := strings.Count(lines[0], "FILE"); n > 1 {
				t.Errorf("names the file %d times: %s", n, lines[0])
			}
		})
	}
}

// Mistakes of the shape come first: what a misspelt key means nobody knows.
// Mistakes of form (keys and types) come first, those of content when the form is
// right; of each sort all at once.
func TestAllMistakesOfASortAreToldAtOnce(t *testing.T) {
	for _, c := range []struct {
		in   string
		want []string // keys
	}{
		{`
log: {levl: info}
uplinks:
  a: {interface: eth1, username: u, password: p, families: [ipv4], mtu: big}
  b: {interface: eth1, username: u, password: p, families: ipv4, metrik: 5}
`, []string{"log.levl", "uplinks.a.mtu", "uplinks.b.families", "uplinks.b.metrik"}},
		{`
log: {level: loud}
uplinks:
  a: {interface: eth1, username: u, password: p, families: [ipv4], mtu: 5}
  b: {interface: eth1, username: u, families: [ipv7]}
`, []string{"log.level", "uplinks.a.mtu", "uplinks.b.password-file", "uplinks.b.families[0]"}},
	} {
		got := mistakes(t, c.in, 0o600)
		for _, key := range c.want {
			n := 0
			for _, line := range got {
				if strings.HasPrefix(line, "FILE: "+key+": ") {
					n++
				}
			}
			if n != 1 {
				t.Errorf("%s is told %d times in %q", key, n, got)
			}
		}
		if len(got) != len(c.want) {
			t.Errorf("%d lines %q, want %d", len(got), got, len(c.want))
		}
	}
}

func TestMistakesComeInTheSameOrderEachTime(t *testing.T) {
	text := "run-dir: a\nstate-dir: b\n" + good + "    service-name: " + strings.Repeat("x", 256) + "\n    ac-name: " + strings.Repeat("y", 256) + "\n"
	first := strings.Join(mistakes(t, text, 0o600), "\n")
	for range 30 {
		if again := strings.Join(mistakes(t, text, 0o600), "\n"); again != first {
			t.Fatalf("first\n%s\nthen\n%s", first, again)
		}
	}
}

// Viper knows no capitals; an uplink must not vanish for that.
func TestUplinksThatDifferInCapitalsOnlyAreAMistake(t *testing.T) {
	got := mistakes(t, `
uplinks:
  bizf: {interface: eth1, username: u, password: p, families: [ipv4]}
  Bizf: {interface: eth2, username: v, password: q, families: [ipv4]}
`, 0o600)
	if len(got) != 1 || !strings.Contains(got[0], "Bizf") {
		t.Errorf("said %q", got)
	}
}

func TestPasswordInAFileThatAllMayRead(t *testing.T) {
	got := mistakes(t, good, 0o644)
	want := `FILE: uplinks.bizf6.password: stands in a file that may be read by everybody (mode 0644); chmod 600 it`
	if len(got) != 1 || got[0] != want {
		t.Errorf("said %q", got)
	}
	if got := mistakes(t, good, 0o640); got != nil {
		t.Errorf("a group may read it: %q", got)
	}
}

func TestFileThatIsNotThere(t *testing.T) {
	_, err := configs.Load("/nonexistent/pppoectl.yaml")
	want := "/nonexistent/pppoectl.yaml: no such file; write one (see `pppoectl check --reference`) or name another with -c"
	if err == nil || err.Error() != want {
		t.Errorf("said %v", err)
	}
	_, err = configs.Load(t.TempDir())
	if err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("of a directory: %v", err)
	}
}

func TestCredentialsComeFromSystemd(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "bizf6"), []byte("from systemd\r\n"), 0o444); err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(good, "password: secret", "credential: bizf6", 1)
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	if c := load(t, text); string(c.Uplinks[0].Password) != "from systemd" || len(c.Warnings) != 0 {
		t.Errorf("password %q, warnings %q", string(c.Uplinks[0].Password), c.Warnings)
	}
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	if c := load(t, text); c.Uplinks[0].Password != "" || len(c.Unchecked) != 1 || !strings.Contains(c.Unchecked[0], "LoadCredential") {
		t.Errorf("without systemd: unchecked %q", c.Unchecked)
	}
}

// An empty password is a wrong one, and too many of those may lock the login.
func TestNobodyRunsWithoutAPassword(t *testing.T) {
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	file := write(t, strings.Replace(good, "password: secret", "credential: bizf6", 1))
	if _, err := configs.LoadToRun(file); err == nil || !strings.Contains(err.Error(), "uplinks.bizf6.credential") {
		t.Errorf("%v", err)
	}
}

// A mistake elsewhere must not keep `status` and `stop` from the daemon that
// runs.
func TestDirectoriesAreFoundInAWrongConfiguration(t *testing.T) {
	file := write(t, "run-dir: /run/elsewhere\nstate-dir: /var/elsewhere\n"+good+"    adress: none\n")
	if runDir, stateDir := configs.Dirs(file); runDir != "/run/elsewhere" || stateDir != "/var/elsewhere" {
		t.Errorf("%s and %s", runDir, stateDir)
	}
	if runDir, stateDir := configs.Dirs("/nonexistent"); runDir != "/run/pppoectl" || stateDir != "/var/lib/pppoectl" {
		t.Errorf("defaults %s and %s", runDir, stateDir)
	}
}
