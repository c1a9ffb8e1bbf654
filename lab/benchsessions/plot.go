package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
	vgdraw "gonum.org/v1/plot/vg/draw"
)

// draw draws four figures over the number of sessions, in a format that the file's name
// ends with.
func draw(file string, f figures) error {
	plot.DefaultFont = font.Font{Typeface: "Liberation", Variant: "Sans"}
	time, err := panel("Time until all sessions are up", "s", f, rowUp)
	if err != nil {
		return err
	}
	memory, err := panel("Memory of the daemon, idle", "MiB", f, rowRSS)
	if err != nil {
		return err
	}
	idle, err := panel("CPU of the daemon, idle", "% of a core", f, rowIdle)
	if err != nil {
		return err
	}
	tcp, err := panel(fmt.Sprintf("TCP through up to %d sessions at once", most(f)), "Gbit/s", f, rowDown, rowAway)
	if err != nil {
		return err
	}
	const width, height = 24 * vg.Centimeter, 17 * vg.Centimeter
	canvas, err := vgdraw.NewFormattedCanvas(width, height, strings.TrimPrefix(filepath.Ext(file), "."))
	if err != nil {
		return err
	}
	const pad = 5 * vg.Millimeter
	tiles := vgdraw.Tiles{Rows: 2, Cols: 2, PadTop: pad, PadBottom: 2 * pad, PadLeft: pad, PadRight: pad, PadX: pad, PadY: pad}
	panels := [][]*plot.Plot{{time, memory}, {idle, tcp}}
	page := vgdraw.New(canvas)
	for i, places := range plot.Align(panels, tiles, page) {
		for j, place := range places {
			panels[i][j].Draw(place)
		}
	}
	words := time.X.Label.TextStyle
	words.XAlign = vgdraw.XCenter
	page.FillText(words, vg.Point{X: width / 2, Y: pad / 2}, "pppoectl and fletsim on one machine: "+f.Machine.String())
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	if _, err := canvas.WriteTo(out); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}

// most is the largest number of streams.
func most(f figures) (streams int) {
	for _, s := range f.Sizes {
		streams = max(streams, s.Streams)
	}
	return streams
}

// least stands for nothing, which a logarithm cannot show.
const least = 1e-3

// panel is a plot of rows over the number of sessions, which is drawn by its logarithm.
func panel(title, unit string, f figures, rows ...row) (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text = title
	p.X.Label.Text, p.Y.Label.Text = "sessions", unit
	p.Add(plotter.NewGrid())
	for i, r := range rows {
		var points plotter.XYs
		for _, s := range f.Sizes {
			points = append(points, plotter.XY{X: float64(s.Sessions), Y: max(r.value(s), least)})
		}
		line, dots, err := plotter.NewLinePoints(points)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.name, err)
		}
		line.Color, dots.Color, dots.Shape = plotutil.Color(i), plotutil.Color(i), vgdraw.CircleGlyph{}
		p.Add(line, dots)
		if len(rows) > 1 {
			p.Legend.Add(r.name, line, dots)
		}
	}
	logarithmic(&p.X)
	if len(rows) == 1 { // what grows with the sessions: a straight line if each costs the same
		logarithmic(&p.Y)
	} else {
		p.Y.Min = 0
		p.Y.Max *= 1.2 // the legend's room, too
		p.Legend.Top, p.Legend.Padding = true, vg.Millimeter
	}
	return p, nil
}

// logarithmic has an axis go from one power of ten to another.
func logarithmic(a *plot.Axis) {
	a.Scale, a.Tick.Marker = plot.LogScale{}, decades{}
	a.Min = math.Pow(10, math.Floor(math.Log10(a.Min)))
	a.Max = math.Pow(10, math.Ceil(math.Log10(a.Max)))
	if a.Max == a.Min {
		a.Max *= 10
	}
}

// decades marks powers of ten alone, as plain numbers.
type decades struct{}

func (decades) Ticks(from, to float64) (ticks []plot.Tick) {
	for e := math.Round(math.Log10(from)); e <= math.Round(math.Log10(to)); e++ {
		v := math.Pow(10, e)
		ticks = append(ticks, plot.Tick{Value: v, Label: fmt.Sprint(v)})
	}
	return ticks
}
