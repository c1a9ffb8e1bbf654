package control

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// collector makes metrics of a status whenever it is asked.
type collector struct{ status func() Status }

// desc describes a metric of one uplink.
func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("pppoectl_"+name, help, append([]string{"uplink"}, labels...), nil)
}

var (
	descInfo = prometheus.NewDesc("pppoectl_build_info", "1, with the version of the daemon.", []string{"version"}, nil)

	descUp         = desc("uplink_up", "1 if the uplink is usable.")
	descState      = desc("uplink_state", "1 for the state that the uplink is in.", "state")
	descSince      = desc("uplink_state_since_timestamp_seconds", "When the uplink came into its state.")
	descSession    = desc("session_up_since_timestamp_seconds", "When the session came up, also if another process had it then.")
	descResumed    = desc("session_resumes", "Times that the session was taken over from another process.")
	descMTU        = desc("session_mtu_bytes", "MTU of the session.")
	descDials      = desc("dials_total", "Dials since the daemon was started.")
	descDrops      = desc("drops_total", "Sessions lost since the daemon was started.", "cause")
	descNextTry    = desc("next_try_timestamp_seconds", "When the uplink is dialled again; absent if it does not wait.")
	descError      = desc("last_error", "1 for the cause of the last failure; absent if the uplink has recovered.", "cause")
	descRejections = desc("login_rejections", "Rejections of the login in a row.")
	descRTT        = desc("echo_rtt_seconds", "Round trip of the last LCP echo.")
	descEchoSent   = desc("echo_sent_total", "LCP echoes sent in this session.")
	descEchoLost   = desc("echo_lost_total", "LCP echoes lost in this session.")
	descPackets    = desc("packets_total", "IP packets carried.", "direction")
	descBytes      = desc("bytes_total", "Octets of IP packets carried.", "direction")
	descDropped    = desc("dropped_packets_total", "IP packets not carried.", "direction")
	descValid      = desc("prefix_valid_until_timestamp_seconds", "Until when a delegated prefix is valid; absent if for ever.", "prefix")
	descPreferred  = desc("prefix_preferred_until_timestamp_seconds", "Until when a delegated prefix is for new connections; absent if for ever.", "prefix")
)

// Metrics returns a handler that tells status in Prometheus' words, and how the
// process itself fares.
func Metrics(status func() Status) http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(collector{status}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{})
}

// Describe implements prometheus.Collector.
func (collector) Describe(c chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		descInfo, descUp, descState, descSince, descSession, descResumed, descMTU, descDials, descDrops, descNextTry, descError,
		descRejections, descRTT, descEchoSent, descEchoLost, descPackets, descBytes, descDropped, descValid, descPreferred,
	} {
		c <- d
	}
}

// sink takes metrics.
type sink chan<- prometheus.Metric

func (c sink) gauge(d *prometheus.Desc, v float64, labels ...string) {
	c <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func (c sink) count(d *prometheus.Desc, v uint64, labels ...string) {
	c <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
}

// at tells a time, if there is one.
func (c sink) at(d *prometheus.Desc, t *time.Time, labels ...string) {
	if t != nil {
		c.gauge(d, float64(t.UnixMilli())/1000, labels...)
	}
}

// Collect implements prometheus.Collector.
func (m collector) Collect(out chan<- prometheus.Metric) {
	c := sink(out)
	s := m.status()
	c.gauge(descInfo, 1, s.Version)
	for _, u := range s.Uplinks {
		c.uplink(u)
		c.session(u)
	}
}

// uplink tells what there always is.
func (c sink) uplink(u Uplink) {
	up := 0.0
	if u.State == Up {
		up = 1
	}
	c.gauge(descUp, up, u.Name)
	c.gauge(descState, 1, u.Name, u.State)
	c.at(descSince, &u.Since, u.Name)
	c.gauge(descRejections, float64(u.Rejections), u.Name)
	c.count(descDials, u.Dials, u.Name)
	for cause, n := range u.Drops {
		c.count(descDrops, n, u.Name, string(cause))
	}
	c.at(descNextTry, u.NextTry, u.Name)
	if u.LastError != nil {
		c.gauge(descError, 1, u.Name, string(u.LastError.Code))
	}
	for direction, t := range map[string]Traffic{"rx": u.Rx, "tx": u.Tx} {
		c.count(descPackets, t.Packets, u.Name, direction)
		c.count(descBytes, t.Bytes, u.Name, direction)
		c.count(descDropped, t.Dropped, u.Name, direction)
	}
}

// session tells what there is with a session, or a lease.
func (c sink) session(u Uplink) {
	c.at(descSession, u.UpSince, u.Name)
	if u.SessionID != 0 {
		c.gauge(descResumed, float64(u.Resumed), u.Name)
	}
	if u.MTU != 0 {
		c.gauge(descMTU, float64(u.MTU), u.Name)
	}
	if u.Echo != nil {
		c.gauge(descRTT, u.Echo.RTTms/1000, u.Name)
		c.count(descEchoSent, u.Echo.Sent, u.Name)
		c.count(descEchoLost, u.Echo.Lost, u.Name)
	}
	if u.IPv6 == nil {
		return
	}
	for _, p := range u.IPv6.Prefixes {
		c.at(descValid, p.ValidUntil, u.Name, p.Prefix)
		c.at(descPreferred, p.PreferredUntil, u.Name, p.Prefix)
	}
}
