package main

import (
	"io"
	"os"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"refbridge/bridge/lane"
)

// quietFor is how long people wait without a word.
const quietFor = 2 * time.Second

// lateBars are progress bars that are drawn from quietFor on, and what ends them.
func lateBars(w io.Writer) (*mpb.Progress, func()) {
	late := make(chan struct{})
	wait := time.AfterFunc(quietFor, func() { close(late) })
	bars := mpb.New(mpb.WithOutput(w), mpb.WithWidth(40), mpb.WithRenderDelay(late))
	return bars, func() {
		wait.Stop()
		bars.Wait()
	}
}

// bytesBar shows on a terminal how many bytes are done, of a size that may be 0 for unknown. add tells of more of them, end takes
// the bar away.
func (p *program) bytesBar(what string, size int64) (add func(bytes int), end func()) {
	if !terminal(p.err) {
		return func(int) {}, func() {}
	}
	bars, done := lateBars(p.err)
	style, counter := mpb.BarFillerBuilder(mpb.BarStyle()), decor.Counters(decor.SizeB1024(0), "% .1f / % .1f")
	if size == 0 {
		style, counter = mpb.SpinnerStyle(), decor.Current(decor.SizeB1024(0), "% .1f")
	}
	bar := bars.New(size, style, mpb.BarRemoveOnComplete(), mpb.PrependDecorators(decor.Name(what+" ")),
		mpb.AppendDecorators(counter))
	return func(bytes int) { bar.IncrBy(bytes) }, func() {
		bar.Abort(true)
		done()
	}
}

// reading is a file whose reading is shown on a terminal, and what ends that.
func (p *program) reading(f *os.File) (io.Reader, func()) {
	var size int64
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
		size = info.Size()
	}
	add, end := p.bytesBar("read", size)
	return counted{f, add}, end
}

// counted is a reader that tells how many bytes it gives.
type counted struct {
	io.Reader
	add func(bytes int)
}

// Read implements io.Reader.
func (c counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.add(n)
	return n, err
}

// laneBars show on a terminal how much of a plan has been applied, a bar a lane, where that takes a while. nil: there is no terminal.
type laneBars struct{ bars *mpb.Progress }

// applying returns the bars of a command, and what takes them away.
func (p *program) applying() (laneBars, func()) {
	if !terminal(p.err) {
		return laneBars{}, func() {}
	}
	bars, done := lateBars(p.err)
	return laneBars{bars}, done
}

// follow shows how far a flow is; it returns what ends that.
func (l laneBars) follow(f *lane.Flow) func() {
	if l.bars == nil {
		return func() {}
	}
	var bar *mpb.Bar
	f.Applier.Progress = func(applied, total int) {
		if bar == nil || applied == 1 {
			bar = l.bars.AddBar(int64(total), mpb.BarRemoveOnComplete(),
				mpb.PrependDecorators(decor.Name(f.Name+" ")), mpb.AppendDecorators(decor.CountersNoUnit("%d / %d")))
		}
		bar.SetCurrent(int64(applied))
	}
	return func() {
		f.Applier.Progress = nil
		if bar != nil {
			bar.SetCurrent(1 << 30)
			bar.Abort(true)
		}
	}
}
