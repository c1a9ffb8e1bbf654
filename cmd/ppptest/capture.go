package main

import (
	"os"
	"path/filepath"
	"strings"

	"pppoectl/capture"
	"pppoectl/conformance"
)

// capture writes the frames of a case down, and returns the path.
func (p *player) capture(w *wire, r conformance.Result) (string, error) {
	name := string(p.o.Peer) + "-" + strings.ReplaceAll(r.Case.Name, "/", "-") + ".pcapng"
	path := filepath.Join(p.captures, name)
	f, err := os.Create(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	out, err := capture.NewFile(f, p.iface, r.String(), "ppptest "+version)
	if err != nil {
		return "", err
	}
	for _, recorded := range r.Frames {
		if err := out.Write(w.began.Add(recorded.At), capture.WithoutSecrets(recorded.Frame.AppendTo(nil))); err != nil {
			return "", err
		}
	}
	return path, f.Close()
}
