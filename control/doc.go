// Package control is the daemon's API: JSON over HTTP on a Unix socket, its
// types, its server and its client.
//
//	GET  /v1/status                     Status
//	GET  /v1/uplinks/NAME               Uplink
//	POST /v1/uplinks/NAME/up?wait=30s   also restart; down
//	GET  /v1/events?follow=1&uplink=N   one state.Event a line
//	POST /v1/reload
//	POST /v1/stop
//	GET  /metrics                       Prometheus
//
// Whoever connects is checked by SO_PEERCRED. Errors are a [Problem] whose code
// is one of package cause's.
package control
