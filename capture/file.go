package capture

import (
	"fmt"
	"io"
	"runtime"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
)

// file is a pcapng file that is whole after each frame.
type file struct{ w *pcapgo.NgWriter }

// newFile begins a file of frames of a line, for an uplink.
func newFile(w io.Writer, line string, o Options) (*file, error) {
	comment := fmt.Sprintf("uplink %s, control packets", o.Uplink)
	if o.Data {
		comment = fmt.Sprintf("uplink %s, control packets and data", o.Uplink)
	}
	ng, err := pcapgo.NewNgWriterInterface(w,
		pcapgo.NgInterface{Name: line, Comment: comment, OS: runtime.GOOS, LinkType: layers.LinkTypeEthernet},
		pcapgo.NgWriterOptions{SectionInfo: pcapgo.NgSectionInfo{Hardware: runtime.GOARCH, OS: runtime.GOOS, Application: "pppoectl " + o.Version}})
	if err != nil {
		return nil, err
	}
	return &file{ng}, ng.Flush()
}

func (f *file) write(at time.Time, frame []byte) error {
	info := gopacket.CaptureInfo{Timestamp: at, CaptureLength: len(frame), Length: len(frame)}
	if err := f.w.WritePacket(info, frame); err != nil {
		return err
	}
	return f.w.Flush()
}
