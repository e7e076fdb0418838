package sfdcsim

import (
	"slices"
	"strings"
	"time"
)

// row is one record. Values hold no nulls: an absent field is null. A row's map is replaced on a change, never edited.
type row struct {
	id      string
	seq     int64
	object  *object
	values  map[string]any // string, bool, float64, time.Time; references as 18-character ids
	deleted bool
}

func (r *row) get(f *field) any {
	v, ok := r.values[f.Name]
	switch {
	case ok:
		return v
	case f.Name == "Id":
		return r.id
	case f.Name == "IsDeleted":
		return r.deleted
	case f.Type == "boolean":
		return false
	}
	return nil
}

func (r *row) text(name string) string {
	s, _ := r.values[name].(string)
	return s
}

type table struct {
	rows  []*row
	index map[string]map[string][]*row // by field, by indexKey; live rows in order of creation
}

type store struct {
	instance string
	tables   map[string]*table
	byID     map[string]*row // deleted ones too
	next     map[string]int64
}

func newStore(s *schema, seed int64) *store {
	st := &store{instance: instanceOf(seed), tables: map[string]*table{}, byID: map[string]*row{}, next: map[string]int64{}}
	for _, o := range s.objects {
		t := &table{index: map[string]map[string][]*row{}}
		for _, f := range o.Fields {
			if f.indexed() {
				t.index[f.Name] = map[string][]*row{}
			}
		}
		st.tables[o.Name] = t
	}
	return st
}

// number gives the next number of an object: it makes the id and the autonumber. A rolled back one stays used.
func (st *store) number(o *object) int64 {
	st.next[o.Name]++
	return st.next[o.Name]
}

// indexKey folds case unless the field was created case-sensitive.
func indexKey(f *field, v any) string {
	s, _ := v.(string)
	if f.is('S') || f.Type == "reference" {
		return s
	}
	return strings.ToLower(s)
}

// find gives the live rows with a value in an indexed field.
func (st *store) find(o *object, f *field, v any) []*row {
	if f.Name == "Id" {
		id, _ := v.(string)
		if r := st.byID[id]; r != nil && r.object == o && !r.deleted {
			return []*row{r}
		}
		return nil
	}
	return st.tables[o.Name].index[f.Name][indexKey(f, v)]
}

// live gives the rows of an object that are not deleted.
func (st *store) live(object string) []*row {
	t := st.tables[object]
	if t == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(t.rows), func(r *row) bool { return r.deleted })
}

func (st *store) add(r *row) {
	t := st.tables[r.object.Name]
	t.rows = append(t.rows, r)
	st.byID[r.id] = r
	st.reindex(r, nil, r.values)
}

// drop takes back the newest row of an object.
func (st *store) drop(r *row) {
	t := st.tables[r.object.Name]
	if i, found := slices.BinarySearchFunc(t.rows, r.seq, bySeq); found {
		t.rows = slices.Delete(t.rows, i, i+1)
	}
	delete(st.byID, r.id)
	st.reindex(r, r.values, nil)
}

func (st *store) set(r *row, values map[string]any) {
	st.reindex(r, r.values, values)
	r.values = values
}

func (st *store) setDeleted(r *row, deleted bool) {
	if deleted {
		st.reindex(r, r.values, nil)
	} else {
		st.reindex(r, nil, r.values)
	}
	r.deleted = deleted
}

func (st *store) reindex(r *row, from, to map[string]any) {
	for name, index := range st.tables[r.object.Name].index {
		was, has := from[name], to[name]
		if was == has {
			continue
		}
		f := r.object.field(name)
		if was != nil {
			unlink(index, indexKey(f, was), r)
		}
		if has != nil {
			link(index, indexKey(f, has), r)
		}
	}
}

func bySeq(r *row, seq int64) int { return int(r.seq - seq) }

func link(index map[string][]*row, key string, r *row) {
	rows := index[key]
	if i, found := slices.BinarySearchFunc(rows, r.seq, bySeq); !found {
		index[key] = slices.Insert(rows, i, r)
	}
}

func unlink(index map[string][]*row, key string, r *row) {
	rows := index[key]
	i, found := slices.BinarySearchFunc(rows, r.seq, bySeq)
	if !found {
		return
	}
	if rows = slices.Delete(slices.Clone(rows), i, i+1); len(rows) == 0 {
		delete(index, key)
		return
	}
	index[key] = rows
}

// tx is one unit of work. What it does to the store can be taken back to any earlier mark.
type tx struct {
	s         *Server
	at        time.Time
	user      string
	allowSave bool // Sforce-Duplicate-Rule-Header
	undo      []func()
}

func (s *Server) begin(user string) *tx { return &tx{s: s, at: s.clock(), user: user} }

func (t *tx) mark() int { return len(t.undo) }

func (t *tx) rollback(mark int) {
	for len(t.undo) > mark {
		t.undo[len(t.undo)-1]()
		t.undo = t.undo[:len(t.undo)-1]
	}
}

func (t *tx) add(r *row) {
	t.s.store.add(r)
	t.undo = append(t.undo, func() { t.s.store.drop(r) })
}

func (t *tx) set(r *row, values map[string]any) {
	before := r.values
	t.s.store.set(r, values)
	t.undo = append(t.undo, func() { t.s.store.set(r, before) })
}

func (t *tx) delete(r *row) {
	t.s.store.setDeleted(r, true)
	t.undo = append(t.undo, func() { t.s.store.setDeleted(r, false) })
}
