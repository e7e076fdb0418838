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
		assert.Contains(t, props[table.object+"."+table.key.field], "C", "%s: the key", table.file)
		for _, w := range table.rows {
			p := props[table.object+"."+w.field]
			assert.Contains(t, p, "C", "%s:%d: %s cannot be created", w.file, w.line, w.field)
			if !strings.Contains(p, "U") {
				assert.Equal(t, sobject.CreateOnly, w.owner, "%s:%d: %s is taken on create only", w.file, w.line, w.field)
			}
		}
	}
}

func TestEveryPartOfTheStarterTablesSaysWhatItIsFor(t *testing.T) {
	set := starterTables(t)
	for _, table := range set.tables {
		assert.NotEmpty(t, table.purpose, table.file)
		for _, w := range table.rows {
			assert.NotEmpty(t, w.purpose, "%s:%d", w.file, w.line)
		}
		for _, d := range table.drops {
			assert.NotEmpty(t, d.purpose, "%s:%d", d.file, d.line)
		}
		for _, b := range table.back {
			assert.NotEmpty(t, b.purpose, "%s:%d", b.file, b.line)
		}
	}
	for _, v := range set.values {
		assert.NotEmpty(t, v.purpose, "%s:%d", v.file, v.line)
	}
}

// The starter value tables must not be able to hold forever what they list: the way back knows every value of the way there.
func TestTheWayBackKnowsEveryStatusThatTheWayThereGives(t *testing.T) {
	set := starterTables(t)
	for _, row := range set.values["request-status"].codes {
		back, ok := set.values["request-status-back"].find(coding{code: row.to.Reveal()})
		require.True(t, ok, row.code)
		assert.Equal(t, row.code, back.to.Reveal(), "the statuses of a request go there and back one to one")
	}
	p := backParameter{values: set.values["appointment-status-back"]}
	for _, row := range set.values["appointment-status"].codes {
		_, ok := p.lookup([]string{row.to.Reveal(), ""})
		assert.True(t, ok, row.code)
	}
}
