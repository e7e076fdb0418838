package bridge

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"refbridge/bridge/bridgetest"
	"refbridge/ledger"
	"refbridge/sfdc/sobject"
)

func TestDoubtRule03_WhatIsKnownOfAFieldFromBefore(t *testing.T) {
	row := func(image *ledger.Image, open ...ledger.Intent) ledger.Row {
		r := ledger.Row{Object: "ClinicalServiceRequest", Key: "ward.sr.1", Open: open}
		if image != nil {
			r.Image, r.Known = *image, true
		}
		return r
	}
	imageA := bridgetest.Known(bridgetest.Status(bridgetest.ValueA()))
	unclearA := ledger.Image{Record: bridgetest.RecordOf(bridgetest.Status(bridgetest.ValueA())), Unclear: []string{"Status"}}
	other := sobject.Field{Name: "Priority", Value: bridgetest.ValueA()}
	old := ledger.Intent{} // of a version that kept no values
	for _, c := range []struct {
		name string
		row  ledger.Row
		have sobject.Value
		past Past
	}{
		{"nothing", row(nil), bridgetest.ValueA(), Past{}},
		{"an image", row(&imageA), bridgetest.ValueB(), Past{Image: bridgetest.ValueA(), Known: true}},
		{"an image without the field", row(&ledger.Image{}), bridgetest.ValueA(), Past{}},
		{"an image that is unclear there", row(&unclearA), bridgetest.ValueA(), Past{Image: bridgetest.ValueA(), Known: true, Unclear: true}},
		{"an open write of it", row(&imageA, bridgetest.Sent(bridgetest.Status(bridgetest.ValueB()))), bridgetest.ValueA(), Past{Image: bridgetest.ValueA(), Known: true, Meant: []sobject.Value{bridgetest.ValueB()}}},
		{"two, oldest first", row(&imageA, bridgetest.Sent(bridgetest.Status(bridgetest.ValueB())), bridgetest.Sent(bridgetest.Status(bridgetest.ValueC()))), bridgetest.ValueA(), Past{Image: bridgetest.ValueA(), Known: true, Meant: []sobject.Value{bridgetest.ValueB(), bridgetest.ValueC()}}},
		{"an open write of something else", row(&imageA, bridgetest.Sent(other)), bridgetest.ValueA(), Past{Image: bridgetest.ValueA(), Known: true}},
		{"an open create with it", row(nil, bridgetest.Created(bridgetest.Status(bridgetest.ValueA()))), bridgetest.ValueA(), Past{Meant: []sobject.Value{bridgetest.ValueA()}}},
		{"an open create without it", row(nil, bridgetest.Created(other)), bridgetest.ValueA(), Past{left: true}},
		{"an open create without it, then a write of it", row(nil, bridgetest.Created(other), bridgetest.Sent(bridgetest.Status(bridgetest.ValueB()))), bridgetest.ValueA(), Past{left: true, Meant: []sobject.Value{bridgetest.ValueB()}}},
		{"an old intent, no image", row(nil, old), bridgetest.ValueA(), Past{Unclear: true}},
		{"an old intent, as the image has it", row(&imageA, old), bridgetest.ValueA(), Past{Image: bridgetest.ValueA(), Known: true}},
		{"an old intent, another value", row(&imageA, old), bridgetest.ValueB(), Past{Image: bridgetest.ValueA(), Known: true, Unclear: true}},
	} {
		assert.Equal(t, c.past, PastOf(c.row, "Status", bridgetest.RecordOf(bridgetest.Status(c.have))), c.name)
	}
}

func TestDoubtRule03_TheLastWriterCountsWhereTheRowMovedSinceTheImagesStamp(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name        string
		known       bool
		image, have time.Time
		theirs      bool
		moved       bool
	}{
		{"ours, as it was", true, at, at, false, false},
		{"ours, it moved", true, at, at.Add(time.Second), false, false},
		{"theirs, as it was", true, at, at, true, false},
		{"theirs, it moved", true, at, at.Add(time.Second), true, true},
		{"theirs, no image", false, at, at, true, true},
		{"theirs, no stamp", true, time.Time{}, time.Time{}, true, true},
	} {
		row := ledger.Row{Known: c.known}
		row.Image.Record.Modified = c.image
		assert.Equal(t, c.moved, MovedSince(row, sobject.Record{Modified: c.have, Theirs: c.theirs}), c.name)
	}
}

func TestDoubtRule03_CandidatesAndWhatTheySay(t *testing.T) {
	for _, c := range []struct {
		name       string
		past       Past
		candidates []sobject.Value
		unchanged  bool // the source wants a, as before
		ours       bool // a
		doubted    bool
	}{
		{"nothing", Past{}, nil, false, false, false},
		{"the image", Past{Image: bridgetest.ValueA(), Known: true}, []sobject.Value{bridgetest.ValueA()}, true, true, false},
		{"another image", Past{Image: bridgetest.ValueB(), Known: true}, []sobject.Value{bridgetest.ValueB()}, false, false, false},
		{"an empty image", Past{Known: true}, []sobject.Value{bridgetest.Empty()}, false, false, false},
		{"an intent alone", Past{Meant: []sobject.Value{bridgetest.ValueA()}}, []sobject.Value{bridgetest.ValueA()}, true, true, false},
		{"an image and an intent", Past{Image: bridgetest.ValueB(), Known: true, Meant: []sobject.Value{bridgetest.ValueA()}}, []sobject.Value{bridgetest.ValueB(), bridgetest.ValueA()}, false, true, false},
		{"every one is the wish", Past{Image: bridgetest.ValueA(), Known: true, Meant: []sobject.Value{bridgetest.ValueA(), bridgetest.ValueA()}}, []sobject.Value{bridgetest.ValueA(), bridgetest.ValueA(), bridgetest.ValueA()}, true, true, false},
		{"a person wrote last, in doubt", Past{Image: bridgetest.ValueA(), Known: true, Meant: []sobject.Value{bridgetest.ValueB()}, moved: true}, []sobject.Value{bridgetest.ValueA(), bridgetest.ValueB()}, false, true, true},
		{"a person wrote last, no doubt", Past{Image: bridgetest.ValueA(), Known: true, moved: true}, []sobject.Value{bridgetest.ValueA()}, true, true, false},
	} {
		assert.Equal(t, c.candidates, c.past.Candidates(), c.name)
		assert.Equal(t, c.unchanged, c.past.unchanged(bridgetest.ValueA()), c.name)
		assert.Equal(t, c.ours, c.past.Ours(bridgetest.ValueA()), c.name)
		assert.Equal(t, c.doubted, c.past.doubted(), c.name)
	}
}

func TestDoubtRule03_ALatestFieldInDoubt(t *testing.T) {
	ab := Past{Image: bridgetest.ValueA(), Known: true, Meant: []sobject.Value{bridgetest.ValueB()}}
	abTheirs := Past{Image: bridgetest.ValueA(), Known: true, Meant: []sobject.Value{bridgetest.ValueB()}, moved: true}
	bb := Past{Image: bridgetest.ValueB(), Known: true, Meant: []sobject.Value{bridgetest.ValueB()}}
	for _, c := range []struct {
		name       string
		want, have sobject.Value
		past       Past
		then       Decision
	}{
		{"as it is wished", bridgetest.ValueB(), bridgetest.ValueB(), abTheirs, Leave},
		{"it did not arrive", bridgetest.ValueB(), bridgetest.ValueA(), ab, Overwrite},
		{"it arrived, and the source went back", bridgetest.ValueA(), bridgetest.ValueB(), ab, Overwrite},
		{"the source went on", bridgetest.ValueC(), bridgetest.ValueB(), ab, Overwrite},
		{"a person's value, and the source may have changed", bridgetest.ValueB(), bridgetest.ValueC(), ab, Conflict},
		{"a person's value, and the source says what it said", bridgetest.ValueB(), bridgetest.ValueC(), bb, KeepTheirs},
		{"a candidate that a person may have set", bridgetest.ValueA(), bridgetest.ValueB(), abTheirs, Unclear},
		{"the image's value that a person may have set", bridgetest.ValueB(), bridgetest.ValueA(), abTheirs, Unclear},
		{"no image, what was meant is there", bridgetest.ValueA(), bridgetest.ValueB(), Past{Meant: []sobject.Value{bridgetest.ValueB()}}, Overwrite},
		{"no image, something else is there", bridgetest.ValueB(), bridgetest.ValueC(), Past{Meant: []sobject.Value{bridgetest.ValueB()}}, KeepTheirs},
		{"no image, something else is there, and the source changed", bridgetest.ValueA(), bridgetest.ValueC(), Past{Meant: []sobject.Value{bridgetest.ValueB()}}, Conflict},
		{"nobody can tell", bridgetest.ValueB(), bridgetest.ValueA(), Past{Unclear: true}, Unclear},
		{"nobody can tell, and both agree by now", bridgetest.ValueA(), bridgetest.ValueA(), Past{Unclear: true}, Leave},
		{"a person wrote last, and nothing is open: the last writer proves nothing", bridgetest.ValueB(), bridgetest.ValueA(), Past{Image: bridgetest.ValueA(), Known: true, moved: true}, Overwrite},
	} {
		assert.Equal(t, c.then, Decide(bridgetest.Status(c.want), c.have, c.past), c.name)
	}
}

func TestDoubtRule03_AStopFlagInDoubt(t *testing.T) {
	yes, no := sobject.BoolValue(true), sobject.BoolValue(false)
	for _, c := range []struct {
		name       string
		want, have sobject.Value
		past       Past
		then       Decision
	}{
		{"it may not have arrived", yes, no, Past{Image: no, Known: true, Meant: []sobject.Value{yes}}, Overwrite},
		{"it was known to be set, and a person took it back", yes, no, Past{Image: yes, Known: true, Meant: []sobject.Value{yes}}, KeepTheirs},
		{"only meant, and not there", yes, no, Past{Meant: []sobject.Value{yes}}, Overwrite},
		{"meant by us, and there", no, yes, Past{Image: no, Known: true, Meant: []sobject.Value{yes}}, Overwrite},
		{"meant by us, and a person wrote last", no, yes, Past{Image: no, Known: true, Meant: []sobject.Value{yes}, moved: true}, KeepTheirs},
		{"nobody can tell who set it", no, yes, Past{Image: yes, Known: true, Unclear: true}, KeepTheirs},
		{"nobody can tell, and it is to be set", yes, no, Past{Unclear: true}, Overwrite},
	} {
		assert.Equal(t, c.then, decideStop(c.want, c.have, c.past), c.name)
	}
}

func TestDoubtRule03_ACreateOnlyFieldInDoubt(t *testing.T) {
	to := func(key string) sobject.Value {
		return sobject.RefValue(sobject.Target{Object: "ClinicalServiceRequest", Field: "Bridge_Key__c"}, key)
	}
	for _, c := range []struct {
		name       string
		want, have sobject.Value
		past       Past
		then       Decision
	}{
		{"the create arrived", to("a"), to("a"), Past{Meant: []sobject.Value{to("a")}}, Leave},
		{"the create arrived, and the source moved it", to("b"), to("a"), Past{Meant: []sobject.Value{to("a")}}, Moved},
		{"the create arrived, and a person moved it", to("a"), to("b"), Past{Meant: []sobject.Value{to("a")}}, Leave},
		{"one create said otherwise", to("b"), to("a"), Past{Meant: []sobject.Value{to("a"), to("b")}}, Moved},
		{"emptied after a create", to("b"), bridgetest.Empty(), Past{Meant: []sobject.Value{to("a")}}, Moved},
	} {
		got := decideCreateOnly(sobject.Field{Name: "ParentRecordId", Value: c.want, Owner: sobject.CreateOnly}, c.have, c.past)
		assert.Equal(t, c.then, got, c.name)
	}
}

func TestDoubtRule02_WhatARowTeachesOnceItWasRead(t *testing.T) {
	ab := Past{Image: bridgetest.ValueA(), Known: true, Meant: []sobject.Value{bridgetest.ValueB()}}
	for _, c := range []struct {
		name       string
		past       Past
		want, have sobject.Value
		then       Decision
		image      Past
	}{
		{"the wish is there", ab, bridgetest.ValueB(), bridgetest.ValueB(), Leave, Past{Image: bridgetest.ValueB(), Known: true}},
		{"the wish is there, and nothing was known", Past{}, bridgetest.ValueB(), bridgetest.ValueB(), Leave, Past{Image: bridgetest.ValueB(), Known: true}},
		{"the wish is there, and nobody could tell", Past{Unclear: true}, bridgetest.ValueA(), bridgetest.ValueA(), Leave, Past{Image: bridgetest.ValueA(), Known: true}},
		{"a candidate is written over", ab, bridgetest.ValueC(), bridgetest.ValueB(), Overwrite, Past{Image: bridgetest.ValueB(), Known: true}},
		{"the image's value is written over", ab, bridgetest.ValueC(), bridgetest.ValueA(), Overwrite, Past{Image: bridgetest.ValueA(), Known: true}},
		{"a person may have set it", ab, bridgetest.ValueA(), bridgetest.ValueB(), Unclear, Past{Unclear: true}},
		{"a person's value never enters", ab, bridgetest.ValueB(), bridgetest.ValueC(), Conflict, Past{Image: bridgetest.ValueA(), Known: true}},
		{"a person's value never enters where there is no image", Past{Meant: []sobject.Value{bridgetest.ValueA(), bridgetest.ValueB()}}, bridgetest.ValueB(), bridgetest.ValueC(), KeepTheirs, Past{Image: bridgetest.ValueB(), Known: true}},
		{"a field that we do not write over is not ours", Past{}, bridgetest.ValueA(), bridgetest.ValueC(), Conflict, Past{}},
		{"an empty field that is filled is not ours before it is answered", Past{}, bridgetest.ValueA(), bridgetest.Empty(), Overwrite, Past{}},
		{"nobody can tell stays so", Past{Unclear: true, Meant: []sobject.Value{bridgetest.ValueB()}}, bridgetest.ValueB(), bridgetest.ValueC(), KeepTheirs, Past{Unclear: true}},
	} {
		assert.Equal(t, c.image, c.past.After(c.want, c.have, c.then), c.name)
	}
}

func TestDoubtRule04_WhatAProbeTeaches(t *testing.T) {
	ab := Past{Image: bridgetest.ValueA(), Known: true, Meant: []sobject.Value{bridgetest.ValueB()}}
	abTheirs := Past{Image: bridgetest.ValueA(), Known: true, Meant: []sobject.Value{bridgetest.ValueB()}, moved: true}
	for _, c := range []struct {
		name  string
		past  Past
		have  sobject.Value
		image Past
	}{
		{"what was meant is there", ab, bridgetest.ValueB(), Past{Image: bridgetest.ValueB(), Known: true}},
		{"it did not arrive", ab, bridgetest.ValueA(), Past{Image: bridgetest.ValueA(), Known: true}},
		{"a person's value", ab, bridgetest.ValueC(), Past{Image: bridgetest.ValueA(), Known: true}},
		{"a person emptied it", ab, bridgetest.Empty(), Past{Image: bridgetest.ValueA(), Known: true}},
		{"a candidate that a person may have set", abTheirs, bridgetest.ValueB(), Past{Unclear: true}},
		{"no image, what was meant is there", Past{Meant: []sobject.Value{bridgetest.ValueB()}}, bridgetest.ValueB(), Past{Image: bridgetest.ValueB(), Known: true}},
		{"no image, a person's value", Past{Meant: []sobject.Value{bridgetest.ValueB()}}, bridgetest.ValueC(), Past{Image: bridgetest.ValueB(), Known: true}},
		{"no image, a person emptied it", Past{Meant: []sobject.Value{bridgetest.ValueB()}}, bridgetest.Empty(), Past{Image: bridgetest.ValueB(), Known: true}},
		{"nobody can tell, and still cannot", Past{Image: bridgetest.ValueA(), Known: true, Unclear: true}, bridgetest.ValueA(), Past{Image: bridgetest.ValueA(), Known: true, Unclear: true}},
	} {
		assert.Equal(t, c.image, c.past.seen(c.have), c.name)
	}
}

func TestDoubtRule08_WhatTheOrgFilledInIsKnown(t *testing.T) {
	for _, c := range []struct {
		name         string
		past         Past
		have         sobject.Value
		keep, silent bool
		then         Past
	}{
		{"the source is silent, nothing was meant", Past{}, bridgetest.ValueA(), true, true, Past{Image: bridgetest.ValueA(), Known: true}},
		{"the source is silent, a person wrote last", Past{moved: true}, bridgetest.ValueA(), true, true, Past{moved: true, Unclear: true}},
		{"the source speaks, nothing was meant", Past{}, bridgetest.ValueA(), true, false, Past{}},
		{"an open create left it out, the source speaks now", Past{left: true}, bridgetest.ValueA(), true, false, Past{left: true, Image: bridgetest.ValueA(), Known: true}},
		{"an open create left it out, and a write of it is open", Past{left: true, Meant: []sobject.Value{bridgetest.ValueB()}}, bridgetest.ValueA(), true, false,
			Past{left: true, Meant: []sobject.Value{bridgetest.ValueB()}, Image: bridgetest.ValueA(), Known: true}},
		{"an open create left out what is not kept", Past{left: true}, bridgetest.ValueA(), false, false, Past{left: true, Known: true}},
		{"a person wrote last", Past{left: true, moved: true}, bridgetest.ValueA(), true, false, Past{left: true, moved: true, Unclear: true}},
		{"there is an image", Past{Image: bridgetest.ValueB(), Known: true, left: true}, bridgetest.ValueA(), true, true, Past{Image: bridgetest.ValueB(), Known: true, left: true}},
		{"nobody can tell", Past{Unclear: true, left: true}, bridgetest.ValueA(), true, true, Past{Unclear: true, left: true}},
		{"something was meant", Past{Meant: []sobject.Value{bridgetest.ValueB()}}, bridgetest.ValueA(), true, false, Past{Meant: []sobject.Value{bridgetest.ValueB()}}},
	} {
		assert.Equal(t, c.then, c.past.Adopted(c.have, c.keep, c.silent), c.name)
	}
}

func TestDoubtRule04_WhatTheSourceSaidIsRememberedUntilItIsSettled(t *testing.T) {
	for _, c := range []struct {
		name   string
		image  sobject.Record
		said   []sobject.Field
		f      sobject.Field
		result []sobject.Field
	}{
		{"said, not seen", sobject.Record{}, nil, bridgetest.Accepted(bridgetest.ValueA()), []sobject.Field{bridgetest.Accepted(bridgetest.ValueA())}},
		{"said, another value is known", bridgetest.RecordOf(bridgetest.Accepted(bridgetest.ValueB())), nil, bridgetest.Accepted(bridgetest.ValueA()), []sobject.Field{bridgetest.Accepted(bridgetest.ValueA())}},
		{"said anew", sobject.Record{}, []sobject.Field{bridgetest.Accepted(bridgetest.ValueB())}, bridgetest.Accepted(bridgetest.ValueA()), []sobject.Field{bridgetest.Accepted(bridgetest.ValueA())}},
		{"settled", bridgetest.RecordOf(bridgetest.Accepted(bridgetest.ValueA())), []sobject.Field{bridgetest.Accepted(bridgetest.ValueA())}, bridgetest.Accepted(bridgetest.ValueA()), []sobject.Field{}},
		{"silent", sobject.Record{}, nil, bridgetest.Accepted(bridgetest.Empty()), nil},
		{"of a field that silence clears", sobject.Record{}, nil, bridgetest.Status(bridgetest.ValueA()), nil},
	} {
		w := &Write{Known: ledger.Image{Record: c.image, Said: c.said}}
		w.Say(c.f)
		assert.Equal(t, c.result, w.Known.Said, c.name)
	}
}

func TestDoubtRule06_ARowAsItMostLikelyIs(t *testing.T) {
	a, b, none := bridgetest.RecordOf(bridgetest.Status(bridgetest.ValueA())), bridgetest.RecordOf(bridgetest.Status(bridgetest.ValueB())), sobject.Record{}
	unseen := ledger.Image{Unseen: true, Record: a}
	for _, c := range []struct {
		name string
		row  ledger.Row
		like sobject.Record
	}{
		{"nothing", ledger.Row{}, none},
		{"its image", ledger.Row{Known: true, Image: ledger.Image{Record: a}}, a},
		{"its image, though a write is open", ledger.Row{Known: true, Image: ledger.Image{Record: a}, Open: []ledger.Intent{bridgetest.Sent(bridgetest.Status(bridgetest.ValueB()))}}, a},
		{"no image: what was meant last", ledger.Row{Open: []ledger.Intent{bridgetest.Created(bridgetest.Status(bridgetest.ValueA())), bridgetest.Sent(bridgetest.Status(bridgetest.ValueB()))}}, b},
		{"nobody has seen it: what was meant last", ledger.Row{Known: true, Image: unseen, Open: []ledger.Intent{bridgetest.Sent(bridgetest.Status(bridgetest.ValueB()))}}, b},
		{"nobody has seen it, nothing was meant", ledger.Row{Known: true, Image: unseen}, a},
	} {
		assert.Equal(t, c.like, Likely(c.row), c.name)
	}
}

func TestDoubtRule04_TheFieldsThatAProbeLooksAt(t *testing.T) {
	names := func(row ledger.Row) (out []string) {
		for _, f := range FieldsOf(row) {
			out = append(out, f.Name)
		}
		return out
	}
	image := bridgetest.Known(bridgetest.Status(bridgetest.ValueA()))
	assert.Empty(t, names(ledger.Row{}))
	assert.Equal(t, []string{"Status"}, names(ledger.Row{Known: true, Image: image}), "the image's")
	assert.Equal(t, []string{"IsAccepted"}, names(ledger.Row{Open: []ledger.Intent{bridgetest.Created(bridgetest.Accepted(bridgetest.ValueA()))}}), "those meant")
	assert.Equal(t, []string{"Status", "IsAccepted"}, names(ledger.Row{Known: true, Image: image,
		Open: []ledger.Intent{bridgetest.Sent(bridgetest.Status(bridgetest.ValueB())), bridgetest.Sent(bridgetest.Accepted(bridgetest.ValueA())), bridgetest.Sent(bridgetest.Accepted(bridgetest.ValueB()))}}), "each once")
	assert.Len(t, image.Record.Fields, 1, "the image itself stays as it is")
}

func TestDoubtRule04_WhatIsDoneIsUnknownUntilNoWriteIsOpen(t *testing.T) {
	at := time.Date(2026, 1, 1, 8, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name string
		is   ledger.Fate
		open []time.Time
		then ledger.Fate
		code string
		next time.Time
	}{
		{"done", ledger.Applied, nil, ledger.Applied, "", time.Time{}},
		{"one is open", ledger.Applied, []time.Time{at}, ledger.Unknown, CodeInDoubt, at.Add(time.Second)},
		{"two are open: the last counts", ledger.Applied, []time.Time{at.Add(time.Minute), at}, ledger.Unknown, CodeInDoubt, at.Add(time.Minute + time.Second)},
		{"held stays held", ledger.Held, []time.Time{at}, ledger.Held, "", time.Time{}},
		{"dead stays dead", ledger.Dead, []time.Time{at}, ledger.Dead, "", time.Time{}},
		{"unknown has its own next try", ledger.Unknown, []time.Time{at}, ledger.Unknown, "", time.Time{}},
	} {
		got := Doubted(Verdict{Fate: c.is}, c.open)
		assert.Equal(t, c.then, got.Fate, c.name)
		assert.Equal(t, c.code, got.Reason.Code, c.name)
		assert.Equal(t, c.next, got.Next, c.name)
	}
}

// What a read shows of a row while nobody knows what the source wants of it (doubt rules 2 and 4): what is ours is known, what a person may
// have set is unclear, and a person's value never enters.
func TestDoubtRule04_WhatAReadShowsOfARow(t *testing.T) {
	before, now := bridgetest.Noon().Add(-time.Hour), bridgetest.Noon()
	image := bridgetest.RecordOf(bridgetest.Status(bridgetest.ValueA()))
	image.Modified = before
	for _, c := range []struct {
		about   string
		open    []ledger.Intent
		have    sobject.Value
		theirs  bool
		unread  bool // the field was not read
		known   sobject.Value
		unclear bool
		stamp   time.Time
	}{
		{"as it is known", nil, bridgetest.ValueA(), false, false, bridgetest.ValueA(), false, now},
		{"as it is known, though a person wrote last", nil, bridgetest.ValueA(), true, false, bridgetest.ValueA(), false, now},
		{"a person's value", nil, bridgetest.ValueB(), true, false, bridgetest.ValueA(), false, before},
		{"what a write meant", []ledger.Intent{bridgetest.Sent(bridgetest.Status(bridgetest.ValueB()))}, bridgetest.ValueB(), false, false, bridgetest.ValueB(), false, now},
		{"what a write meant, and a person wrote last", []ledger.Intent{bridgetest.Sent(bridgetest.Status(bridgetest.ValueB()))}, bridgetest.ValueB(), true, false, bridgetest.Empty(), true, before},
		{"a write that did not arrive", []ledger.Intent{bridgetest.Sent(bridgetest.Status(bridgetest.ValueB()))}, bridgetest.ValueA(), false, false, bridgetest.ValueA(), false, now},
		{"a person's value, beside a write", []ledger.Intent{bridgetest.Sent(bridgetest.Status(bridgetest.ValueB()))}, bridgetest.ValueC(), true, false, bridgetest.ValueA(), false, before},
		{"the field was not read", []ledger.Intent{bridgetest.Sent(bridgetest.Status(bridgetest.ValueB()))}, bridgetest.Empty(), false, true, bridgetest.ValueA(), false, now},
	} {
		row := ledger.Row{Known: true, Image: ledger.Image{Record: image}, Open: c.open}
		have := bridgetest.RecordOf(bridgetest.Status(c.have))
		if c.unread {
			have = bridgetest.RecordOf()
		}
		have.ID, have.Modified, have.Theirs = "a01", now, c.theirs
		w := &Write{}
		w.Remember(row, bridgetest.Noon())
		w.See(row, have)
		is, _ := w.Known.Record.Get("Status")
		assert.Equal(t, c.known, is, c.about)
		assert.Equal(t, c.unclear, len(w.Known.Unclear) == 1, c.about)
		assert.Equal(t, "a01", w.Known.Record.ID, c.about)
		assert.True(t, c.stamp.Equal(w.Known.Record.Modified), "%s: %s", c.about, w.Known.Record.Modified)
		assert.False(t, w.Known.Unseen || w.Known.Deleted, c.about)
	}
}
