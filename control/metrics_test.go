package control_test

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"pppoectl/cause"
	"pppoectl/control"
)

func scrape(s control.Status) string {
	w := httptest.NewRecorder()
	control.Metrics(func() control.Status { return s }).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Body.String()
}

// What dashboards are built on: names, units and labels.
func TestMetrics(t *testing.T) {
	at := time.UnixMilli(1_800_000_000_500)
	text := scrape(control.Status{Version: "1.2", Uplinks: []control.Uplink{
		{
			Name: "bizf6", State: control.Up, Since: at, SessionID: 7, UpSince: &at, Resumed: 2, MTU: 1454, Dials: 3,
			Echo:  &control.Echo{RTTms: 4.05, Lost: 1, Sent: 360},
			IPv6:  &control.IPv6{Prefixes: []control.Prefix{{Prefix: "2001:db8:100::/56", ValidUntil: &at}}},
			Drops: map[cause.Code]uint64{cause.EchoLost: 2, cause.PADT: 1},
			Rx:    control.Traffic{Packets: 10, Bytes: 1000, Dropped: 1},
		},
		{Name: "bizf", State: control.Holdoff, Since: at, NextTry: &at, Rejections: 4, LastError: &control.Failure{Code: cause.AuthRejected, Text: "no"}},
	}})
	for _, want := range []string{
		`pppoectl_build_info{version="1.2"} 1`,
		`pppoectl_uplink_up{uplink="bizf6"} 1`,
		`pppoectl_uplink_up{uplink="bizf"} 0`,
		`pppoectl_uplink_state{state="holdoff",uplink="bizf"} 1`,
		`pppoectl_uplink_state_since_timestamp_seconds{uplink="bizf"} 1.8000000005e+09`,
		`pppoectl_session_up_since_timestamp_seconds{uplink="bizf6"} 1.8000000005e+09`,
		`pppoectl_session_resumes{uplink="bizf6"} 2`,
		`pppoectl_session_mtu_bytes{uplink="bizf6"} 1454`,
		`pppoectl_dials_total{uplink="bizf6"} 3`,
		`pppoectl_drops_total{cause="echo_lost",uplink="bizf6"} 2`,
		`pppoectl_next_try_timestamp_seconds{uplink="bizf"} 1.8000000005e+09`,
		`pppoectl_last_error{cause="auth_rejected",uplink="bizf"} 1`,
		`pppoectl_login_rejections{uplink="bizf"} 4`,
		`pppoectl_echo_rtt_seconds{uplink="bizf6"} 0.00405`,
		`pppoectl_echo_sent_total{uplink="bizf6"} 360`,
		`pppoectl_echo_lost_total{uplink="bizf6"} 1`,
		`pppoectl_packets_total{direction="rx",uplink="bizf6"} 10`,
		`pppoectl_bytes_total{direction="rx",uplink="bizf6"} 1000`,
		`pppoectl_dropped_packets_total{direction="rx",uplink="bizf6"} 1`,
		`pppoectl_prefix_valid_until_timestamp_seconds{prefix="2001:db8:100::/56",uplink="bizf6"} 1.8000000005e+09`,
		"go_goroutines ", "process_open_fds ", "process_resident_memory_bytes ",
	} {
		if !strings.Contains(text, "\n"+want) && !strings.HasPrefix(text, want) {
			t.Errorf("missing: %s", want)
		}
	}
	for _, absent := range []string{`pppoectl_session_mtu_bytes{uplink="bizf"}`, `pppoectl_next_try_timestamp_seconds{uplink="bizf6"}`, "preferred_until_timestamp_seconds{"} {
		if strings.Contains(text, absent) {
			t.Errorf("there, though it does not apply: %s", absent)
		}
	}
}

// A daemon that has nothing to look after is one all the same.
func TestMetricsWithoutUplinks(t *testing.T) {
	if text := scrape(control.Status{}); !strings.Contains(text, "pppoectl_build_info") {
		t.Error(text)
	}
}
