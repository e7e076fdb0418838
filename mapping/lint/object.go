package lint

import (
	"fmt"
	"slices"
	"strings"

	"refbridge/mapping"
	"refbridge/sfdc/sobject"
)

// object checks a table against the object that it writes.
func (l *linter) object(t *mapping.Table) {
	desc, ok := l.described(t.Object, l.at(t.Place, "object"))
	if !ok {
		return
	}
	l.key(t, desc)
	for _, w := range t.Rows {
		f, ok := l.field(desc, w.Field, l.at(w.Place, "field"))
		if !ok {
			continue
		}
		l.writable(w, f)
		l.reference(w, f)
		l.value(w, f)
	}
	l.required(t, desc)
	for _, g := range t.Gone {
		if f, ok := l.field(desc, g.Field, l.at(g.Place, "field")); ok {
			l.gone(t.Object, g, f)
		}
	}
}

// described gives an object of the target.
func (l *linter) described(object string, at mapping.Place) (sobject.Description, bool) {
	desc, ok := l.target.Object(object)
	if !ok {
		hint := mapping.Nearest(object, l.target.names())
		if hint == "" && l.target.Taken == "" {
			hint = l.howToDeclare("an object")
		}
		l.fail("unknown-object", at, "", fmt.Sprintf("the target has no object %s", mapping.Short(object)), hint)
	}
	return desc, ok
}

// field gives a field of an object; empty names are Load's business.
func (l *linter) field(desc sobject.Description, name string, at mapping.Place) (sobject.FieldType, bool) {
	f, ok := desc.Field(name)
	if ok || name == "" {
		return f, ok
	}
	hint := mapping.Nearest(name, fieldNames(desc))
	if slices.Contains(l.set.Optional(desc.Name), name) {
		l.warn("unknown-field", at, name, fmt.Sprintf("%s has no field %s: the row is left out", desc.Name, mapping.Short(name)), hint)
		return f, false
	}
	if hint == "" {
		hint = l.howToDeclare("a field")
	}
	l.fail("unknown-field", at, name, fmt.Sprintf("%s has no field %s", desc.Name, mapping.Short(name)), hint)
	return f, false
}

// howToDeclare says what to do about an object or a field that the target does not have.
func (l *linter) howToDeclare(what string) string {
	if l.target.Taken != "" {
		return "create it, or grant the integration user field-level security: a field that the user may not see is absent"
	}
	return what + " of your own: declare it in " + mapping.SnapshotFile + " beside the tables, or check against your org: refbridge describe --save org.json," +
		" then --snapshot org.json"
}

func fieldNames(desc sobject.Description) []string {
	out := make([]string, len(desc.Fields))
	for i, f := range desc.Fields {
		out[i] = f.Name
	}
	return out
}

// writable checks that the owner of a row can do what it has to: all write when a record is new, source and latest
// later too.
func (l *linter) writable(w *mapping.Row, f sobject.FieldType) {
	at := l.at(w.Place, "field")
	if l.member(w.Place, "owner") != nil {
		at = l.at(w.Place, "owner")
	}
	updates := w.Owner == sobject.Source || w.Owner == sobject.Latest
	switch {
	case !f.Createable && !f.Updateable:
		l.fail("read-only", l.at(w.Place, "field"), f.Name, "the target does not let anybody write "+f.Name, "remove the row")
	case !f.Createable:
		l.fail("read-only", l.at(w.Place, "field"), f.Name, "the target does not take "+f.Name+" when a record is created",
			"remove the row, or grant the integration user edit access")
	case !f.Updateable && updates:
		l.fail("create-only", at, f.Name, "the target takes "+f.Name+" on create only, and the owner writes every difference",
			"owner: create-only")
	}
}

// key checks that records can be found again by their key.
func (l *linter) key(t *mapping.Table, desc sobject.Description) {
	at := l.at(t.Key.Place, "field")
	f, ok := l.field(desc, t.Key.Field, at)
	if !ok {
		return
	}
	custom := strings.HasSuffix(f.Name, "__c")
	switch {
	case custom && !(f.ExternalID && f.Unique):
		l.fail("key-field", at, f.Name, f.Name+" is not an external id that is unique: an upsert would make duplicates",
			"make it Text(255), External ID, Unique, case-sensitive")
	case !f.ExternalID && !f.IDLookup:
		l.fail("key-field", at, f.Name, "no record can be found by "+f.Name, "take an external id, or a field with idLookup")
	case !f.Createable:
		l.fail("key-field", at, f.Name, "the target does not let anybody write "+f.Name, "")
	case custom && !f.CaseSensitive:
		l.fail("key-field", at, f.Name, f.Name+" ignores case: two records whose ids differ in case only would be written over each other",
			"make it Text(255), External ID, Unique, case-sensitive")
	}
	if f.Length > 0 && f.Length < 255 {
		l.warn("key-field", at, f.Name, fmt.Sprintf("%s takes %d characters, a key may have 255", f.Name, f.Length), "")
	}
}

// reference checks rows that point to another record.
func (l *linter) reference(w *mapping.Row, f sobject.FieldType) {
	to, member := w.Ref, "ref"
	if w.Lookup.Object != "" {
		to, member = w.Lookup, "lookup"
	}
	at := l.at(w.Place, member)
	switch {
	case to.Object == "":
		return
	case f.Type != "reference":
		l.fail("reference", at, f.Name, fmt.Sprintf("%s is %s and points to no record", f.Name, withArticle(f.Type)), "remove "+member)
		return
	case len(f.ReferenceTo) > 0 && !slices.Contains(f.ReferenceTo, to.Object):
		l.fail("reference", at, f.Name, fmt.Sprintf("%s does not point to %s", f.Name, mapping.Short(to.Object)),
			"it points to "+strings.Join(f.ReferenceTo, ", "))
		return
	case w.Ref.Object == "":
		return
	case f.RelationshipName == "":
		l.fail("reference", at, f.Name, f.Name+" has no relationship name: records cannot be named in it by key", "")
	}
	l.refKey(w, at)
}

// refKey checks the field by which a ref names its record.
func (l *linter) refKey(w *mapping.Row, at mapping.Place) {
	desc, ok := l.target.Object(w.Ref.Object)
	if !ok {
		l.warn("reference", at, w.Field, fmt.Sprintf("the snapshot does not have %s: its key field is not checked", mapping.Short(w.Ref.Object)),
			"refbridge describe --save FILE --object "+mapping.Short(w.Ref.Object))
		return
	}
	f, ok := desc.Field(w.Ref.Field)
	switch {
	case w.Ref.Field == "":
	case !ok:
		l.fail("reference", at, w.Field, fmt.Sprintf("%s has no field %s", desc.Name, mapping.Short(w.Ref.Field)),
			mapping.Nearest(w.Ref.Field, fieldNames(desc)))
	case !f.ExternalID && !f.IDLookup:
		l.fail("reference", at, w.Field, fmt.Sprintf("%s of %s is not an external id: no record can be named by it", f.Name, desc.Name), "")
	}
}

// required checks that every field which a new record must have gets a value.
func (l *linter) required(t *mapping.Table, desc sobject.Description) {
	gives := func(name string) bool {
		return slices.ContainsFunc(t.Rows, func(w *mapping.Row) bool { return w.Field == name })
	}
	for _, f := range desc.Fields {
		needed := f.Createable && !f.Nillable && !f.DefaultedOnCreate && f.Type != "boolean" && f.Name != t.Key.Field
		switch {
		case !needed, desc.Name == "Account" && f.Name == "Name" && gives("LastName"): // the platform writes a person's name together
		case !gives(f.Name):
			l.fail("required-field", l.at(t.Place, "object"), f.Name, fmt.Sprintf("a new %s needs %s, and no row gives it", desc.Name, f.Name),
				"add a row")
		default:
			l.requiredRows(t, f.Name)
		}
	}
}

// requiredRows warns where the rows of a required field may give nothing.
func (l *linter) requiredRows(t *mapping.Table, field string) {
	sure := false
	var last *mapping.Row
	for _, w := range t.Rows {
		if w.Field != field {
			continue
		}
		last, sure = w, sure || always(w)
		if !w.Required && w.Fallback.IsNull() {
			l.warn("required-field", w.Place, field, fmt.Sprintf("a new %s needs %s, and this row may give none: Salesforce would refuse the record",
				t.Object, field), "required: true holds it with a reason; or give it a default")
		}
	}
	if !sure {
		l.warn("required-field", last.Place, field, fmt.Sprintf("a new %s needs %s, and no row counts where no when holds", t.Object, field),
			"add a last row without a when")
	}
}

func (l *linter) gone(object string, g mapping.GoneRow, f sobject.FieldType) {
	if !f.Updateable {
		l.fail("create-only", l.at(g.Place, "field"), f.Name, "the target does not let "+f.Name+" be changed", "mark the record in another field")
	}
	l.fixed(fixed{value: g.Value, Place: l.at(g.Place, "to")}, f)
	l.only(object, g, f)
}

// only warns of values that a record can never have, so that it would not be marked. No record is held for it, and an org
// may do without a value that others have (CheckedIn comes with Salesforce Scheduler): what Health Cloud documents is right.
func (l *linter) only(object string, g mapping.GoneRow, f sobject.FieldType) {
	if len(g.Only) == 0 || !picklist(f.Type) || len(f.PicklistValues) == 0 {
		l.unwritten(object, f, g.File, l.member(g.Place, "only"))
		return
	}
	values := l.target.values(object, f.Name) // a record keeps a value that is not active any more
	if documented, err := DefaultSnapshot(); err == nil {
		values = append(values, documented.values(object, f.Name)...)
	}
	r := mapping.Reader{}
	for _, n := range r.List(l.member(g.Place, "only"), "only") {
		if !slices.Contains(values, n.Value) {
			l.warn("unknown-value", mapping.Place{File: g.File, Line: n.Line, Column: n.Column}, f.Name,
				fmt.Sprintf("picklist %s does not list %q: no record has it", f.Name, mapping.Short(n.Value)), mapping.Nearest(n.Value, values))
		}
	}
}

// always tells whether a row counts for every record.
func always(w *mapping.Row) bool { return !w.Conditional || condition(w) == "true" }

// condition gives the when of a row in one spelling, true or false where it says that of every record; empty where it has none.
func condition(w *mapping.Row) string {
	if w.When == nil {
		return ""
	}
	if holds, known := w.When.Expr.Always(); known {
		return fmt.Sprint(holds)
	}
	return w.When.Expr.Spelling()
}

// rows finds rows that can never count beyond those that Load refuses.
func (l *linter) rows(t *mapping.Table) {
	seen := map[[2]string]mapping.Place{} // by field and condition
	for _, w := range t.Rows {
		if w.When != nil && w.Field != "" {
			l.counts(w, seen)
		}
		if at, always := seen[[2]string{w.Field, "true"}]; always && at != w.Place && condition(w) != "true" && condition(w) != "false" {
			l.fail("unreachable", w.Place, w.Field, fmt.Sprintf("the row of line %d always counts: this one never does", at.Line),
				"remove one of the two, or give the first a condition that may not hold")
		}
	}
}

// counts notes the condition of a row and finds one that cannot hold, or that an earlier row has.
func (l *linter) counts(w *mapping.Row, seen map[[2]string]mapping.Place) {
	c := [2]string{w.Field, condition(w)}
	if c[1] == "false" {
		l.fail("unreachable", w.When.Place, w.Field, "the condition never holds", "remove the row")
	}
	if at, twice := seen[c]; twice {
		l.fail("unreachable", w.When.Place, w.Field, fmt.Sprintf("the row of line %d has the same condition: this one never counts", at.Line),
			"remove one of the two")
		return
	}
	seen[c] = w.Place
}

// purposes warns of rows that do not say why they are there, where their table does not say it for all of them either.
func (l *linter) purposes(t *mapping.Table) {
	if !l.strict || t.Purpose != "" {
		return
	}
	for _, w := range t.Rows {
		if w.Purpose == "" {
			l.warn("no-purpose", w.Place, w.Field, "neither the row nor its table says what it is for", "add a purpose to the row, or one to the table for all of its rows")
		}
	}
}
