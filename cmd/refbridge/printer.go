package main

import (
	"encoding/json"
	"fmt"
	"io"

	"refbridge/bridge/report"
	"refbridge/mapping/measure"
)

func newPrinter(w io.Writer) report.Printer {
	return report.Printer{W: w, Colour: terminal(w) && !noColour(), Columns: columns(w)}
}

func printHolds(p report.Printer, title string, holds []measure.Hold) {
	if len(holds) > 0 {
		p.Title(title)
	}
	for _, h := range holds {
		text := h.Message + " [" + string(h.Kind) + "]"
		if h.Field != "" {
			text = h.Field + ": " + text
		}
		fmt.Fprintf(p.W, "  %6d  %s\n", h.Count, p.Ruled(text, h.Rule, 10))
		if h.Hint != "" {
			fmt.Fprintf(p.W, "          %s\n", report.Wrap(h.Hint, 10))
		}
	}
}

// line writes one JSON value on one line.
func line(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
