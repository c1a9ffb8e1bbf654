package control

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// collector makes metrics of a status whenever it is asked.
type collector struct{ status func() Status }

var (
	descUp = prometheus.NewDesc("pppoectl_uplink_up",
		"1 if the uplink is usable.", []string{"uplink"}, nil)
	descState = prometheus.NewDesc("pppoectl_uplink_state",
		"1 for the state that the uplink is in.", []string{"uplink", "state"}, nil)
	descRTT = prometheus.NewDesc("pppoectl_echo_rtt_seconds",
		"Round trip of the last LCP echo.", []string{"uplink"}, nil)
	descEchoSent = prometheus.NewDesc("pppoectl_echo_sent_total",
		"LCP echoes sent in this session.", []string{"uplink"}, nil)
	descEchoLost = prometheus.NewDesc("pppoectl_echo_lost_total",
		"LCP echoes lost in this session.", []string{"uplink"}, nil)
	descPackets = prometheus.NewDesc("pppoectl_packets_total",
		"IP packets carried.", []string{"uplink", "direction"}, nil)
	descBytes = prometheus.NewDesc("pppoectl_bytes_total",
		"Octets of IP packets carried.", []string{"uplink", "direction"}, nil)
	descDropped = prometheus.NewDesc("pppoectl_dropped_packets_total",
		"IP packets not carried.", []string{"uplink", "direction"}, nil)
	descRejections = prometheus.NewDesc("pppoectl_login_rejections",
		"Rejections of the login in a row.", []string{"uplink"}, nil)
)

// Metrics returns a handler that tells status in Prometheus' words.
func Metrics(status func() Status) http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(collector{status})
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{})
}

// Describe implements prometheus.Collector.
func (collector) Describe(c chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		descUp, descState, descRTT, descEchoSent, descEchoLost, descPackets, descBytes, descDropped, descRejections,
	} {
		c <- d
	}
}

// Collect implements prometheus.Collector.
func (m collector) Collect(c chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		c <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	count := func(d *prometheus.Desc, v uint64, labels ...string) {
		c <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	for _, u := range m.status().Uplinks {
		up := 0.0
		if u.State == Up {
			up = 1
		}
		gauge(descUp, up, u.Name)
		gauge(descState, 1, u.Name, u.State)
		gauge(descRejections, float64(u.Rejections), u.Name)
		if u.Echo != nil {
			gauge(descRTT, u.Echo.RTTms/1000, u.Name)
			count(descEchoSent, u.Echo.Sent, u.Name)
			count(descEchoLost, u.Echo.Lost, u.Name)
		}
		for direction, t := range map[string]Traffic{"rx": u.Rx, "tx": u.Tx} {
			count(descPackets, t.Packets, u.Name, direction)
			count(descBytes, t.Bytes, u.Name, direction)
			count(descDropped, t.Dropped, u.Name, direction)
		}
	}
}
