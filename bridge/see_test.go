package bridge

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"refbridge/bridge/bridgetest"
	"refbridge/ledger"
	"refbridge/sfdc/sobject"
)

// What is remembered of a field after a read, with nobody's wish for it known: a row a case.
func TestWhatAReadSaysOfAFieldInDoubt(t *testing.T) {
	a, b, c := bridgetest.Text("a"), bridgetest.Text("b"), bridgetest.Text("c")
	for _, x := range []struct {
		name string
		p    Past
		have sobject.Value
		want Past
	}{
		{"it is as it was", Past{Image: a, Known: true}, a, Past{Image: a, Known: true}},
		{"a person changed it", Past{Image: a, Known: true}, c, Past{Image: a, Known: true}},
		{"the write arrived", Past{Image: a, Known: true, Meant: []sobject.Value{b}}, b, Past{Image: b, Known: true}},
		{"the write has not arrived", Past{Image: a, Known: true, Meant: []sobject.Value{b}}, a, Past{Image: a, Known: true}},
		{"the write arrived, or a person wrote the same", Past{Image: a, Known: true, Meant: []sobject.Value{b}, moved: true}, b, Past{Unclear: true}},
		{"neither: a person's", Past{Image: a, Known: true, Meant: []sobject.Value{b}}, c, Past{Image: a, Known: true}},
		{"nothing was known, and something else is there", Past{Meant: []sobject.Value{a, b}}, c, Past{Image: b, Known: true}},
		{"unclear it stays", Past{Unclear: true}, c, Past{Unclear: true}},
		{"a candidate of an unclear field", Past{Image: a, Known: true, Unclear: true}, a, Past{Image: a, Known: true, Unclear: true}},
	} {
		assert.Equal(t, x.want, x.p.seen(x.have), x.name)
	}
}

// What is remembered of a field after it was decided on: a row a case.
func TestWhatIsRememberedOfAFieldThatWasDecidedOn(t *testing.T) {
	a, b, c := bridgetest.Text("a"), bridgetest.Text("b"), bridgetest.Text("c")
	for _, x := range []struct {
		name       string
		p          Past
		want, have sobject.Value
		d          Decision
		then       Past
	}{
		{"both agree", Past{Image: a, Known: true}, b, b, Leave, Past{Image: b, Known: true}},
		{"ours is written over", Past{Image: a, Known: true, Meant: []sobject.Value{c}}, b, c, Overwrite, Past{Image: c, Known: true}},
		{"a person's is written over", Past{Image: a, Known: true}, b, c, Overwrite, Past{Image: a, Known: true}},
		{"nobody can tell", Past{Image: a, Known: true, Meant: []sobject.Value{c}}, b, c, Unclear, Past{Unclear: true}},
		{"a person's, and only something meant was known", Past{Meant: []sobject.Value{a, b}}, b, c, Conflict, Past{Image: b, Known: true}},
		{"a person's", Past{Image: a, Known: true}, a, c, KeepTheirs, Past{Image: a, Known: true}},
	} {
		assert.Equal(t, x.then, x.p.After(x.want, x.have, x.d), x.name)
	}
}

// What an intent of a version that kept no values leaves in doubt, and what an open create leaves to the org.
func TestWhatIsKnownOfAFieldFromBefore(t *testing.T) {
	row := func(known string, intents ...ledger.Intent) ledger.Row {
		r := ledger.Row{Object: bridgetest.CSRType, Key: "ward.sr.r1", Open: intents}
		if known != "" {
			r.Known, r.Image.Record = true, sobject.Record{Object: bridgetest.CSRType, Modified: bridgetest.Noon(), Fields: []sobject.Field{{Name: "Status", Value: bridgetest.Text(known)}}}
		}
		return r
	}
	have := sobject.Record{Object: bridgetest.CSRType, Modified: bridgetest.Noon(), Fields: []sobject.Field{{Name: "Status", Value: bridgetest.Text("b")}}}
	theirs := have
	theirs.Theirs, theirs.Modified = true, bridgetest.Noon().Add(time.Minute)
	old := ledger.Intent{}
	for _, c := range []struct {
		name string
		row  ledger.Row
		have sobject.Record
		want Past
	}{
		{"an image", row("a"), have, Past{Image: bridgetest.Text("a"), Known: true}},
		{"an image, and a person wrote last", row("a"), theirs, Past{Image: bridgetest.Text("a"), Known: true, moved: true}},
		{"nothing", row(""), have, Past{}},
		{"nothing, and a person wrote last", row(""), theirs, Past{moved: true}},
		{"an old intent, and another value is there", row("a", old), have, Past{Image: bridgetest.Text("a"), Known: true, Unclear: true}},
		{"an old intent, and the same value is there", row("b", old), have, Past{Image: bridgetest.Text("b"), Known: true}},
		{"an old intent alone", row("", old), have, Past{Unclear: true}},
		{"an intent of the field", row("a", bridgetest.Attempted(bridgetest.Values{"Status": bridgetest.Text("c")}, false)), have, Past{Image: bridgetest.Text("a"), Known: true, Meant: []sobject.Value{bridgetest.Text("c")}}},
		{"a create of other fields", row("", bridgetest.Attempted(bridgetest.Values{"Priority": bridgetest.Text("c")}, true)), have, Past{left: true}},
		{"an update of other fields", row("a", bridgetest.Attempted(bridgetest.Values{"Priority": bridgetest.Text("c")}, false)), have, Past{Image: bridgetest.Text("a"), Known: true}},
	} {
		assert.Equal(t, c.want, PastOf(c.row, "Status", c.have), c.name)
	}
	for _, c := range []struct {
		name         string
		p            Past
		keep, silent bool
		want         Past
	}{
		{"what the org filled in, where the source is silent", Past{}, true, true, Past{Image: bridgetest.Text("b"), Known: true}},
		{"where the source speaks", Past{}, true, false, Past{}},
		{"a field that is not kept", Past{}, false, true, Past{}},
		{"an open create left it to the org", Past{left: true}, true, false, Past{left: true, Image: bridgetest.Text("b"), Known: true}},
		{"an open create left it empty", Past{left: true}, false, false, Past{left: true, Known: true}},
		{"an open create, and a person wrote last", Past{left: true, moved: true}, true, false, Past{left: true, moved: true, Unclear: true}},
		{"it is known", Past{Image: bridgetest.Text("a"), Known: true, left: true}, true, true, Past{Image: bridgetest.Text("a"), Known: true, left: true}},
		{"it is unclear", Past{Unclear: true, left: true}, true, true, Past{Unclear: true, left: true}},
		{"something was meant", Past{Meant: []sobject.Value{bridgetest.Text("a")}, left: true}, true, true, Past{Meant: []sobject.Value{bridgetest.Text("a")}, left: true, Image: bridgetest.Text("b"), Known: true}},
	} {
		assert.Equal(t, c.want, c.p.Adopted(bridgetest.Text("b"), c.keep, c.silent), c.name)
	}
}
