package configs

import (
	"errors"
	"os"
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
	BPFDir       string                `mapstructure:"bpf-dir"`
	Log          rawLog                `mapstructure:"log"`
	ControlGroup string                `mapstructure:"control-group"`
	Hooks        rawHooks              `mapstructure:"hooks"`
	Metrics      rawMetrics            `mapstructure:"metrics"`
	Lines        []rawLine             `mapstructure:"lines"`
	Uplinks      map[string]*rawUplink `mapstructure:"uplinks"`
}

type rawLog struct {
	Level  string `mapstructure:"level"`
	Format string `mapstructure:"format"`
}

type rawHooks struct {
	Dir     string         `mapstructure:"dir"`
	Timeout *time.Duration `mapstructure:"timeout"`
}

type rawMetrics struct {
	Listen string `mapstructure:"listen"`
}

type rawLine struct {
	Interface    string `mapstructure:"interface"`
	SessionLimit int    `mapstructure:"session-limit"`
	PADTUnknown  bool   `mapstructure:"padt-unknown"`
}

type rawUplink struct {
	Type         string         `mapstructure:"type"`
	Enabled      *bool          `mapstructure:"enabled"`
	StandbyFor   string         `mapstructure:"standby-for"`
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
	Block        *rawBlock      `mapstructure:"block"`
	DNS          *rawDNS        `mapstructure:"dns"`
	InterfaceID  string         `mapstructure:"interface-id"`
	DefaultRoute bool           `mapstructure:"default-route"`
	Metric       *int           `mapstructure:"metric"`
	SourceRoute  *bool          `mapstructure:"source-route"`
	Table        *int           `mapstructure:"table"`
	Firewall     *bool          `mapstructure:"firewall"`
	NAT          bool           `mapstructure:"nat"`
	Echo         *rawEcho       `mapstructure:"echo"`
	DeadAfter    *time.Duration `mapstructure:"dead-after"`
	DataPath     string         `mapstructure:"data-path"`
	Prefix       *rawPrefix     `mapstructure:"prefix"`
	LAN          []rawLAN       `mapstructure:"lan"`
}

type rawBlock struct {
	Prefix    string `mapstructure:"prefix"`
	Host      string `mapstructure:"host"`
	Interface string `mapstructure:"interface"`
}

type rawDNS struct {
	Request *bool  `mapstructure:"request"`
	Write   string `mapstructure:"write"`
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
	IAID    *int   `mapstructure:"iaid"`
}

type rawLAN struct {
	Interface string `mapstructure:"interface"`
	Subnet    int    `mapstructure:"subnet"`
	Host      string `mapstructure:"host"`
	Advertise bool   `mapstructure:"advertise"`
}

// readFile reads file, whatever stands in it.
func readFile(file string) (*viper.Viper, error) {
	// Viper splits keys at a delimiter; this one is in no key.
	v := viper.NewWithOptions(viper.KeyDelimiter("\x00"))
	v.SetConfigFile(file)
	v.SetConfigType("yaml")
	return v, v.ReadInConfig()
}

// readRaw reads file. Every mistake becomes a line of its own.
func readRaw(file string) (*raw, []string) {
	v, err := readFile(file)
	if err != nil {
		return nil, []string{file + ": " + readError(err)}
	}
	// Viper forgives much: other cases, wrong types, keys without a value. The
	// shape is looked at first.
	if lines := checkShape(file); len(lines) > 0 {
		return nil, lines
	}
	settings := map[string]any{}
	for _, key := range v.AllKeys() {
		top, _, _ := strings.Cut(key, "\x00")
		settings[top] = v.Get(top)
	}
	r := &raw{}
	decoder, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
		Result: r, ErrorUnused: true,
		DecodeHook: mapstructure.StringToTimeDurationHookFunc(),
		MatchName:  func(key, field string) bool { return key == field },
	})
	if err == nil {
		err = decoder.Decode(settings)
	}
	if err != nil {
		return nil, []string{file + ": " + oneLine(err.Error())}
	}
	return r, nil
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
		text := oneLine(parse.Unwrap().Error())
		if strings.Contains(text, "anchor") { // it may be a password that is quoted there
			return "yaml: text that begins with * or & must stand in quotes"
		}
		return text
	}
	return oneLine(err.Error())
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// Dirs returns the run and state directories of the configuration in file, even
// if the rest of it is wrong; the defaults if it cannot be read.
func Dirs(file string) (runDir, stateDir string) {
	if v, err := readFile(file); err == nil {
		runDir, stateDir = v.GetString("run-dir"), v.GetString("state-dir")
	}
	setDefault(&runDir, defaultRunDir)
	setDefault(&stateDir, defaultStateDir)
	return runDir, stateDir
}
