package mapping

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/sfdc/sobject"
)

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
