// Package hooks runs the operator's programs when something happens to an uplink: one
// after the other for each uplink, within a time limit, with their output in the log. What
// they are told looks as it does from pppd, and stands as JSON on their standard input.
package hooks
