package measure

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"time"

	"refbridge/mapping"
)

//go:embed coverage.html.tmpl
var coverageTemplate string

// Page is a coverage report as a page to read: no script, nothing from the network, and it prints.
type Page struct {
	CoverageReport
	Tables string // hash of the tables
	Read   string // what was read, in words
	Made   time.Time
}

// HTML writes the page.
func (p Page) HTML(w io.Writer) error {
	t, err := template.New("coverage").Parse(coverageTemplate)
	if err != nil {
		return fmt.Errorf("read the template: %w", err)
	}
	return t.Execute(w, p)
}

// Of gives the paths of a state; the page calls it.
func (p Page) Of(state mapping.State) []Path {
	var out []Path
	for _, path := range p.Paths {
		if path.State == state {
			out = append(out, path)
		}
	}
	return out
}

// FieldsOf gives the fields by object, of those that there are records of; the page calls it.
func (p Page) FieldsOf() [][]Field {
	var out [][]Field
	object := ""
	for _, f := range p.Fields {
		if f.Records == 0 {
			continue
		}
		if f.Object != object {
			object = f.Object
			out = append(out, nil)
		}
		out[len(out)-1] = append(out[len(out)-1], f)
	}
	return out
}
