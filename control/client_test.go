package control

import (
	"net/http"
	"strings"
	"testing"
)

// What is no answer of a daemon's, but JSON all the same, is told by its status: an
// error has words.
func TestAnswerWithoutAMessageIsToldByItsStatus(t *testing.T) {
	for _, body := range []string{"{}", `{"error":{"code":"busy"}}`, "null"} {
		c := &Client{http: &http.Client{Transport: replies("HTTP/1.1 409 Conflict\r\n\r\n" + body)}, socket: "control.sock"}
		if err := c.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "409 Conflict") {
			t.Errorf("%s: %v", body, err)
		}
	}
}
