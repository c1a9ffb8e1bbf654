package configs

import (
	"errors"
	"fmt"
	"os"
	"sort"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/viper"
)

// raw is the configuration file as it is written. Pointers tell what is absent
// from what is zero.
type raw struct {
	RunDir       string                `mapstructure:"run-dir"`
	StateDir     string                `mapstructure:"state-dir"`
	Log          rawLog                `mapstructure:"log"`
	ControlGroup string                `mapstructure:"control-group"`
	Uplinks      map[string]*rawUplink `mapstructure:"uplinks"`
}

type rawLog struct {
	Level  string `mapstructure:"level"`
	Format string `mapstructure:"format"`
}

type rawUplink struct {
	Type         string         `mapstructure:"type"`
	Enabled      *bool          `mapstructure:"enabled"`
	Interface    string         `mapstructure:"interface"`
	Ifname       string         `mapstructure:"ifname"`
	Username     string         `mapstructure:"username"`
	Password     *string        `mapstructure:"password"`
	PasswordFile string         `mapstructure:"password-file"`
	Credential   string         `mapstructure:"credential"`
	Auth         []string       `mapstructure:"auth"`
	Families     []string       `mapstructure:"families"`
	MTU          *int           `mapstructure:"mtu"`
	ServiceName  string         `mapstructure:"service-name"`
	ACName       string         `mapstructure:"ac-name"`
	ACMAC        string         `mapstructure:"ac-mac"`
	Address      string         `mapstructure:"address"`
	DNS          *rawDNS        `mapstructure:"dns"`
	InterfaceID  string         `mapstructure:"interface-id"`
	DefaultRoute bool           `mapstructure:"default-route"`
	Metric       *int           `mapstructure:"metric"`
	Echo         *rawEcho       `mapstructure:"echo"`
	DeadAfter    *time.Duration `mapstructure:"dead-after"`
	Prefix       *rawPrefix     `mapstructure:"prefix"`
	LAN          []rawLAN       `mapstructure:"lan"`
}

type rawDNS struct {
	Request *bool `mapstructure:"request"`
}

type rawEcho struct {
	Interval *time.Duration `mapstructure:"interval"`
	Failures *int           `mapstructure:"failures"`
}

type rawPrefix struct {
	Request bool   `mapstructure:"request"`
	Hint    string `mapstructure:"hint"`
	Require bool   `mapstructure:"require"`
	DUID    string `mapstructure:"duid"`
}

type rawLAN struct {
	Interface string `mapstructure:"interface"`
	Subnet    int    `mapstructure:"subnet"`
	Host      string `mapstructure:"host"`
	Advertise bool   `mapstructure:"advertise"`
}

// readRaw reads file. Every mistake becomes a line of its own.
func readRaw(file string) (*raw, []string) {
	// Viper splits keys at a delimiter; this one is in no key.
	v := viper.NewWithOptions(viper.KeyDelimiter("\x00"))
	v.SetConfigFile(file)
	v.SetConfigType("yaml")
	if err := v.ReadInConfig(); err != nil {
		return nil, []string{file + ": " + readError(err)}
	}
	settings := map[string]any{}
	for _, key := range v.AllKeys() {
		top, _, _ := strings.Cut(key, "\x00")
		settings[top] = v.Get(top)
	}
	r := &raw{}
	var meta mapstructure.Metadata
	decoder, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
		Result: r, Metadata: &meta,
		DecodeHook: mapstructure.StringToTimeDurationHookFunc(),
		MatchName:  func(key, field string) bool { return key == field },
	})
	if err != nil {
		return nil, []string{file + ": " + err.Error()}
	}
	lines := decodeErrors(file, decoder.Decode(settings))
	for _, key := range meta.Unused {
		lines = append(lines, fmt.Sprintf("%s: %s: unknown key%s", file, dotted(key), suggestion(key)))
	}
	sort.Strings(lines)
	return r, lines
}

// readError says in words why the file cannot be read.
func readError(err error) string {
	var parse viper.ConfigParseError
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "no such file; write one (see `pppoectl check --reference`) or name another with -c"
	case errors.Is(err, os.ErrPermission):
		return "permission denied"
	case errors.As(err, &parse):
		return oneLine(parse.Unwrap().Error())
	}
	return oneLine(err.Error())
}

// decodeErrors makes a line of each value that has the wrong type.
func decodeErrors(file string, err error) []string {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var lines []string
		for _, e := range joined.Unwrap() {
			lines = append(lines, decodeErrors(file, e)...)
		}
		return lines
	}
	var d *mapstructure.DecodeError
	if !errors.As(err, &d) {
		if inner := errors.Unwrap(err); inner != nil {
			return decodeErrors(file, inner)
		}
		return []string{file + ": " + oneLine(err.Error())}
	}
	var inner *mapstructure.DecodeError
	if errors.As(d.Unwrap(), &inner) || isJoined(d.Unwrap()) {
		return decodeErrors(file, d.Unwrap())
	}
	return []string{fmt.Sprintf("%s: %s: %s", file, dotted(d.Name()), wrongType(d.Unwrap()))}
}

func isJoined(err error) bool {
	_, ok := err.(interface{ Unwrap() []error })
	return ok
}

func wrongType(err error) string {
	var t *mapstructure.UnconvertibleTypeError
	if !errors.As(err, &t) {
		return oneLine(err.Error()) + "; a duration looks like 10s or 2m"
	}
	want := map[string]string{
		"string": "text (put it in quotes)", "bool": "true or false", "int": "a whole number",
		"slice": "a list", "map": "a table of keys", "struct": "a table of keys", "int64": "a duration such as 10s",
	}[t.Expected.Kind().String()]
	if want == "" {
		want = t.Expected.Type().String()
	}
	return fmt.Sprintf("%v is of the wrong type; it must be %s", quoted(t.Value), want)
}

func quoted(v any) string {
	if s, ok := v.(string); ok {
		return fmt.Sprintf("%q", s)
	}
	return fmt.Sprint(v)
}

// dotted turns mapstructure's uplinks[bizf].mtu into uplinks.bizf.mtu.
func dotted(key string) string {
	return strings.NewReplacer("[", ".", "]", "").Replace(key)
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// keys are all keys of an uplink and of the top level, for suggestions.
var keys = []string{
	"run-dir", "state-dir", "log", "level", "format", "control-group", "uplinks", "type", "enabled", "interface",
	"ifname", "username", "password", "password-file", "credential", "auth", "families", "mtu", "service-name",
	"ac-name", "ac-mac", "address", "dns", "request", "interface-id", "default-route", "metric", "echo", "interval",
	"failures", "dead-after", "prefix", "hint", "require", "duid", "lan", "subnet", "host", "advertise",
}

// suggestion names the known key that is nearest to a misspelt one.
func suggestion(key string) string {
	name := key[strings.LastIndexAny(key, ".[]")+1:]
	best, at := "", 3
	for _, k := range keys {
		if d := distance(name, k); d < at {
			best, at = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %s?", best)
}

// distance is the number of letters to change, add or leave out (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range a {
		diagonal := row[0]
		row[0] = i + 1
		for j := range b {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}

// Dirs returns the run and state directories of the configuration in file, even
// if the rest of it is wrong; the defaults if it cannot be read.
func Dirs(file string) (runDir, stateDir string) {
	r, _ := readRaw(file)
	if r == nil {
		r = &raw{}
	}
	setDefault(&r.RunDir, defaultRunDir)
	setDefault(&r.StateDir, defaultStateDir)
	return r.RunDir, r.StateDir
}
