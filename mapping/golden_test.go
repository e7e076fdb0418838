package mapping

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/sfdc/sobject"
)

func TestStarterTablesMakeTheRecordsInTheGoldenFiles(t *testing.T) {
	set := starterTables(t)
	names, err := filepath.Glob("testdata/golden/*.json")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(names), 10, "the golden cases must be there")
	for _, name := range names {
		name = strings.TrimSuffix(filepath.Base(name), ".json")
		t.Run(name, func(t *testing.T) {
			got := print(set.Map(input(t, name)))
			golden := filepath.Join("testdata", "golden", name+".txt")
			if *update {
				require.NoError(t, os.WriteFile(golden, []byte(got), 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			assert.Equal(t, string(want), got)
		})
	}
}

// print writes an outcome for people: object and key, then field = value and the rule behind it.
func print(out Output, err error) string {
	var b strings.Builder
	for i, m := range out.Records {
		if i > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "%s %s=%s  # %s:%d %s\n", m.Record.Object, m.Record.Key.Field, m.Record.Key.Value, m.Key.File, m.Key.Line, m.Key.From)
		for j, f := range m.Record.Fields {
			r := m.Rules[j]
			fmt.Fprintf(&b, "  %s = %s  # %s:%d%s\n", f.Name, printed(f), r.File, r.Line, strings.TrimRight(" "+r.From, " "))
		}
	}
	if err != nil {
		fmt.Fprintf(&b, "held:\n%v\n", err)
	}
	return b.String()
}

func printed(f sobject.Field) string {
	s := fmt.Sprintf("%q", f.Value.Reveal())
	switch f.Value.Kind() {
	case sobject.Null:
		s = "null"
	case sobject.Bool, sobject.Number, sobject.DateTime, sobject.Date:
		s = f.Value.Reveal()
	case sobject.Ref:
		s = fmt.Sprintf("-> %s %s=%s", f.Value.To().Object, f.Value.To().Field, f.Value.Key())
	case sobject.Lookup:
		s = fmt.Sprintf("-> %s (%s)", f.Value.Reveal(), f.Value.LookupKey())
	}
	owner := [...]string{"", " [target]", " [latest]", " [create-only]", " [stop]", " [identity]"}[f.Owner]
	if f.KeepIfAbsent {
		owner += " [keep if absent]"
	}
	return s + owner
}

// Before a table meets an org it meets the simulated one: what it writes must be there and take a value.
func TestStarterTablesWriteFieldsThatHealthCloudHas(t *testing.T) {
	src, err := os.ReadFile("../sfdc/sfdcsim/objects.json")
	require.NoError(t, err)
	var schema struct {
		Objects []struct {
			Name   string `json:"name"`
			Fields []struct {
				Name  string `json:"name"`
				Props string `json:"props"`
			} `json:"fields"`
		} `json:"objects"`
	}
	require.NoError(t, json.Unmarshal(src, &schema))
	props := map[string]string{}
	for _, o := range schema.Objects {
		for _, f := range o.Fields {
			props[o.Name+"."+f.Name] = f.Props
		}
	}
	require.NotEmpty(t, props)
	for _, table := range starterTables(t).tables {
		assert.Contains(t, props[table.Object+"."+table.Key.Field], "C", "%s: the key", table.File)
		for _, w := range table.Rows {
			p := props[table.Object+"."+w.Field]
			assert.Contains(t, p, "C", "%s:%d: %s cannot be created", w.File, w.Line, w.Field)
			if !strings.Contains(p, "U") {
				assert.Equal(t, sobject.CreateOnly, w.Owner, "%s:%d: %s is taken on create only", w.File, w.Line, w.Field)
			}
		}
	}
}

func TestEveryPartOfTheStarterTablesSaysWhatItIsFor(t *testing.T) {
	set := starterTables(t)
	for _, table := range set.tables {
		assert.NotEmpty(t, table.Purpose, table.File)
		for _, w := range table.Rows {
			assert.NotEmpty(t, w.Purpose, "%s:%d", w.File, w.Line)
		}
		for _, d := range table.Drops {
			assert.NotEmpty(t, d.Purpose, "%s:%d", d.File, d.Line)
		}
		for _, b := range table.Back {
			assert.NotEmpty(t, b.Purpose, "%s:%d", b.File, b.Line)
		}
	}
	for _, v := range set.values {
		assert.NotEmpty(t, v.Purpose, "%s:%d", v.File, v.Line)
	}
}

// The starter value tables must not be able to hold forever what they list: the way back knows every value of the way there.
func TestTheWayBackKnowsEveryStatusThatTheWayThereGives(t *testing.T) {
	set := starterTables(t)
	for _, row := range set.values["request-status"].Codes {
		back, ok := set.values["request-status-back"].Find(Coding{Code: row.To.Reveal()})
		require.True(t, ok, row.Code)
		assert.Equal(t, row.Code, back.To.Reveal(), "the statuses of a request go there and back one to one")
	}
	p := BackParameter{Values: set.values["appointment-status-back"]}
	for _, row := range set.values["appointment-status"].Codes {
		_, ok := p.Lookup([]string{row.To.Reveal(), ""})
		assert.True(t, ok, row.Code)
	}
}
