package configs_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"pppoectl/configs"
	"pppoectl/lcp"
	"pppoectl/pppoe"
	"pppoectl/session"
)

// write writes a configuration, readable by its owner alone, and returns its path.
func write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "pppoectl.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func load(t *testing.T, text string) *configs.Config {
	t.Helper()
	c, err := configs.Load(write(t, text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestReferenceParses(t *testing.T) {
	c := load(t, configs.Reference)
	if len(c.Warnings) != 0 {
		t.Errorf("warnings %q", c.Warnings)
	}
	want := configs.Uplink{
		Name: "bizf", Enabled: true, Interface: "eth1", Ifname: "bizf",
		Username: "user@bizf.ocn.ne.jp", Password: "not-a-real-one",
		Auth: []lcp.Auth{lcp.AuthCHAPMD5, lcp.AuthPAP}, Families: []session.Family{session.IPv4}, MTU: 1454,
		Want: pppoe.Want{MaxPayload: 1454}, RequestDNS: true, Identifier: configs.Identifier{Kind: configs.RandomIdentifier},
		DefaultRoute: true, Metric: 100, SourceRoute: true, Table: c.Uplinks[0].Table,
		Prefix: configs.Prefix{DUID: configs.LinkLayerDUID}, EchoInterval: 10 * time.Second, EchoFailures: 5, DeadAfter: time.Minute, DataPath: "auto",
	}
	if len(c.Uplinks) != 2 || !reflect.DeepEqual(c.Uplinks[0], want) {
		t.Errorf("got  %#v\nwant %#v", c.Uplinks, want)
	}
	if u, ok := c.Uplink("bizf6"); !ok || u.Families[0] != session.IPv6 || u.Ifname != "bizf6" {
		t.Errorf("bizf6: %+v", u)
	}
	if _, ok := c.Uplink("nosuch"); ok {
		t.Error("an uplink that is not there was found")
	}
	if c.RunDir != "/run/pppoectl" || c.StateDir != "/var/lib/pppoectl" || c.Log != (configs.Log{Level: "info", Format: "text"}) {
		t.Errorf("%+v", c)
	}
}

// What the reference says in comments must be true as well.
func TestReferenceParsesWithItsExamplesTakenIn(t *testing.T) {
	text := configs.Reference
	for _, key := range []string{"ac-mac", "address", "block", "table", "lan", "firewall", "lines", "standby-for"} {
		if !strings.Contains(text, "# "+key+":") {
			t.Fatalf("the reference does not mention %s", key)
		}
		text = strings.Replace(text, "# "+key+":", key+":", 1)
	}
	text = strings.Replace(text, "#   - {", "  - {", 1)
	c := load(t, text)
	if len(c.Warnings) != 0 {
		t.Errorf("warnings %q", c.Warnings)
	}
	u := c.Uplinks[1]
	if len(u.LAN) != 1 || u.LAN[0].Interface != "eth0" || !u.Prefix.Request || !u.Firewall {
		t.Errorf("%+v", u)
	}
	if want := (configs.Line{Interface: "eth1", SessionLimit: 2}); len(c.Lines) != 1 || c.Lines[0] != want {
		t.Errorf("%+v", c.Lines)
	}
	if c.Uplinks[0].StandbyFor != "bizf6" {
		t.Errorf("%+v", c.Uplinks[0])
	}
	if c.Uplinks[0].Want.AC == (pppoe.MAC{}) || !c.Uplinks[0].Address.IsValid() {
		t.Errorf("%+v", c.Uplinks[0])
	}
}

// The reference says of each key what its default is: without the key it is the
// same.
func TestReferenceStatesTheDefaults(t *testing.T) {
	least := `
uplinks:
  bizf: {interface: eth1, username: user@bizf.ocn.ne.jp, password: not-a-real-one, families: [ipv4], default-route: true}
  bizf6: {interface: eth1, username: user@bizf6.ocn.ne.jp, password: not-a-real-one, families: [ipv6], default-route: true, prefix: {request: true}}
`
	got, want := load(t, least), load(t, configs.Reference)
	got.File, got.Modified = want.File, want.Modified
	if !reflect.DeepEqual(got, want) {
		t.Errorf("defaults\n%+v\nreference\n%+v", got, want)
	}
}

// The example of the contract with users.
func TestContractsExampleParses(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"bizf", "bizf6"} {
		if err := os.WriteFile(filepath.Join(dir, name+".secret"), []byte("pass word \nsecond line\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := load(t, strings.ReplaceAll(`
run-dir: /run/pppoectl
state-dir: /var/lib/pppoectl
log: {level: info, format: text}
control-group: pppoectl
uplinks:
  bizf:
    interface: eth1
    username: user@bizf.ocn.ne.jp
    password-file: DIR/bizf.secret
    families: [ipv4]
    default-route: true
    mtu: 1454
  bizf6:
    interface: eth1
    username: user@bizf6.ocn.ne.jp
    password-file: DIR/bizf6.secret
    families: [ipv6]
    default-route: true
    prefix: {request: true}
    lan:
      - {interface: eth0, subnet: 0, host: "::1", advertise: false}
`, "DIR", dir))
	if c.ControlGroup != "pppoectl" || c.Uplinks[0].Password != "pass word " {
		t.Errorf("%+v, password %q", c, string(c.Uplinks[0].Password))
	}
}

func TestValuesThatAreTakenAsTheyStand(t *testing.T) {
	c := load(t, `
uplinks:
  a-1_b:
    interface: eth1.100
    ifname: ppp0
    username: "User@Realm.Example.JP"
    password: "p:#\"'  "
    enabled: false
    auth: [pap]
    families: [ipv6, ipv4]
    mtu: 1500
    service-name: Flets.Next
    ac-name: "BAS 1"
    ac-mac: 00-1E-13-C2-69-C2
    address: none
    dns: {request: false}
    interface-id: fd61:ff9b:eb97:1f93
    metric: 0
    echo: {interval: 0s}
    dead-after: 5s
`)
	u := c.Uplinks[0]
	if u.Name != "a-1_b" || u.Interface != "eth1.100" || u.Ifname != "ppp0" || u.Username != "User@Realm.Example.JP" ||
		string(u.Password) != `p:#"'  ` || u.Enabled || len(u.Auth) != 1 || u.Families[0] != session.IPv6 {
		t.Errorf("%+v", u)
	}
	if u.MTU != 1500 || u.Want != (pppoe.Want{ServiceName: "Flets.Next", ACName: "BAS 1", AC: pppoe.MAC{0, 0x1e, 0x13, 0xc2, 0x69, 0xc2}, MaxPayload: 1500}) {
		t.Errorf("%+v", u.Want)
	}
	if !u.Unnumbered || u.RequestDNS || u.Identifier.Kind != configs.FixedIdentifier || u.Metric != 0 || u.EchoInterval != 0 || u.EchoFailures != 5 || u.DeadAfter != 5*time.Second {
		t.Errorf("%+v", u)
	}
}

func TestASecretNeverPrints(t *testing.T) {
	c := load(t, strings.ReplaceAll(configs.Reference, "not-a-real-one", "hunter22"))
	j, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	s := c.Uplinks[0].Password
	texts := []string{fmt.Sprint(c), fmt.Sprintf("%+v", c), fmt.Sprintf("%#v", c), fmt.Sprint(c.Uplinks), string(j), fmt.Sprint(s), fmt.Sprint([]any{s, &s})}
	for _, verb := range strings.Fields("%v %+v %#v %s %q %x %X % x %d %c %t %10.9s") { // vet knows that some make no sense; %p asks nobody
		texts = append(texts, fmt.Sprintf(verb, s), fmt.Sprintf(verb, struct{ S configs.Secret }{s}), fmt.Sprintf(verb, c.Uplinks))
	}
	for _, text := range texts {
		for _, leak := range []string{"hunter22", fmt.Sprintf("%x", "hunter22"), fmt.Sprintf("%X", "hunter22")} {
			if strings.Contains(text, leak) {
				t.Errorf("%q stands in %s", leak, text)
			}
		}
	}
}

// No message of any mistake may show a password, also not one in the wrong place
// or of the wrong type.
func TestMistakesDoNotShowPasswords(t *testing.T) {
	secret := strings.Repeat("hunter22", 40)
	for name, line := range map[string]string{
		"too long":   "password: " + secret,
		"list":       "password: [" + secret + "]",
		"table":      "password: {x: " + secret + "}",
		"misspelt":   "pasword: " + secret,
		"number":     "password: 1234567812345678",
		"two":        "password: " + secret + "\n    credential: x",
		"bad syntax": "password: \"" + secret,
		"twice":      "password: a\n    password: " + secret,
		"tab":        "password:\t\"" + secret + "\"\n\tx",
		"percent":    "password: %" + secret,
		"reference":  "password: *" + secret,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := configs.Load(write(t, "uplinks:\n  bizf:\n    interface: eth1\n    username: u\n    families: [ipv4]\n    "+line+"\n"))
			if err == nil {
				t.Fatal("no mistake found")
			}
			if strings.Contains(err.Error(), "hunter22") || strings.Contains(err.Error(), "12345678") {
				t.Errorf("shown: %v", err)
			}
		})
	}
}
