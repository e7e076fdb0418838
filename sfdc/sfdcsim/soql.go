package sfdcsim

import (
	"fmt"
	"strconv"
	"strings"
)

const maxSOQL = 100000

// query is a SOQL statement that fits the schema.
type query struct {
	object   *object
	count    bool
	selected []path
	where    condition // nil: all rows
	order    []ordering
	limit    int // -1: none
	offset   int
}

// path is a field of the row, or of a row that it points to.
type path struct {
	through []*field // references, outermost first
	field   *field
	text    string // "Patient.Name", with the platform's spelling
}

type ordering struct {
	path      path
	down      bool
	nullsLast bool
}

// soql parses one statement. The grammar is the part of SOQL that a sync engine needs:
//
//	SELECT (COUNT() | path, …) FROM object [WHERE condition]
//	  [ORDER BY path [ASC|DESC] [NULLS FIRST|LAST], …] [LIMIT n] [OFFSET n]
//
// AND and OR do not mix without parentheses, as on the platform.
type soql struct {
	schema *schema
	src    string
	tokens []token
	at     int
	query  *query
}

func parseSOQL(s *schema, src string) (*query, *apiError) {
	if len(src) > maxSOQL {
		return nil, malformed("SOQL statements cannot be longer than %d characters", maxSOQL)
	}
	tokens, err := lex(src)
	if err != nil {
		return nil, err
	}
	p := &soql{schema: s, src: src, tokens: tokens, query: &query{limit: -1}}
	if err := p.statement(); err != nil {
		return nil, err
	}
	return p.query, nil
}

func (p *soql) peek() token { return p.tokens[p.at] }

func (p *soql) next() token {
	t := p.tokens[p.at]
	if t.kind != 0 {
		p.at++
	}
	return t
}

func (p *soql) accept(word string) bool {
	if !p.peek().is(word) {
		return false
	}
	p.next()
	return true
}

func (p *soql) expect(words ...string) *apiError {
	for _, w := range words {
		if t := p.next(); !t.is(w) {
			return unexpected(t)
		}
	}
	return nil
}

func unexpected(t token) *apiError { return malformed("unexpected token: %s", t.shown()) }

// located is an error with the place in the text, as the platform draws it.
func (p *soql) located(code string, t token, message string) *apiError {
	from := max(0, t.pos-32)
	return bare(400, code, fmt.Sprintf("\n%s\n%s^\nERROR at Row:1:Column:%d\n%s", p.src[from:t.pos+len(t.text)], strings.Repeat(" ", t.pos-from), t.pos+1, message))
}

func (p *soql) statement() *apiError {
	if err := p.expect("SELECT"); err != nil {
		return err
	}
	names, err := p.selection()
	if err != nil {
		return err
	}
	if err := p.expect("FROM"); err != nil {
		return err
	}
	from := p.next()
	if p.query.object = p.schema.object(from.text); from.kind != 'i' || p.query.object == nil {
		return p.located("INVALID_TYPE", from, "sObject type '"+from.text+"' is not supported. If you are attempting to use a custom object, be sure to append the '__c' after the entity name. Please reference your WSDL or the describe call for the appropriate names.")
	}
	if err := p.resolveSelection(names); err != nil {
		return err
	}
	return p.clauses()
}

// selection reads the field list; it is resolved once FROM is known.
func (p *soql) selection() ([]token, *apiError) {
	if p.peek().is("COUNT") {
		p.next()
		p.query.count = true
		return nil, p.expect("(", ")")
	}
	var names []token
	for {
		t := p.next()
		if t.kind != 'i' || t.is("FROM") {
			return nil, unexpected(t)
		}
		names = append(names, t)
		if !p.accept(",") {
			return names, nil
		}
	}
}

func (p *soql) resolveSelection(names []token) *apiError {
	seen := map[string]bool{}
	for _, name := range names {
		selected, err := p.path(name)
		if err != nil {
			return err
		}
		if seen[selected.text] {
			return p.located("INVALID_FIELD", name, "duplicate field selected: "+selected.text)
		}
		seen[selected.text] = true
		p.query.selected = append(p.query.selected, selected)
	}
	return nil
}

// path resolves "Patient.Bridge_Key__c". A relationship with several targets leads to the Name object, which has Id,
// Name and Type only (SOQL and SOSL Reference, "Understanding Polymorphic Relationship Fields").
func (p *soql) path(t token) (path, *apiError) {
	steps := strings.Split(t.text, ".")
	if len(steps) > 1 && strings.EqualFold(steps[0], p.query.object.Name) {
		steps = steps[1:]
	}
	out, o := path{}, p.query.object
	for _, step := range steps[:len(steps)-1] {
		f := (*field)(nil)
		if o != nil {
			f = o.relation(step)
		}
		if f == nil || len(out.through) == 5 {
			return path{}, p.located("INVALID_FIELD", t, "Didn't understand relationship '"+step+"' in field path. If you are attempting to use a custom relationship, be sure to append the '__r' after the custom relationship name. Please reference your WSDL or the describe call for the appropriate names.")
		}
		out.through, out.text = append(out.through, f), out.text+f.Rel+"."
		if o = nil; !f.polymorphic() {
			o = p.schema.object(f.To[0])
		}
	}
	entity := "Name"
	if o != nil {
		entity, out.field = o.Name, o.field(steps[len(steps)-1])
	} else {
		out.field = nameEntity(steps[len(steps)-1])
	}
	if out.field == nil {
		return path{}, p.located("INVALID_FIELD", t, "No such column '"+steps[len(steps)-1]+"' on entity '"+entity+"'. If you are attempting to use a custom field, be sure to append the '__c' after the custom field name. Please reference your WSDL or the describe call for the appropriate names.")
	}
	out.text += out.field.Name
	return out, nil
}

// nameEntity gives the fields that every target of a polymorphic relationship has.
func nameEntity(name string) *field {
	switch strings.ToLower(name) {
	case "id":
		return &field{Name: "Id", Type: "id", Props: "F"}
	case "name":
		return &field{Name: "Name", Type: "string", Props: "F"}
	case "type":
		return &field{Name: "Type", Type: "string", Props: "F"}
	}
	return nil
}

func (p *soql) clauses() *apiError {
	if p.accept("WHERE") {
		c, err := p.any()
		if err != nil {
			return err
		}
		p.query.where = c
	}
	if p.accept("ORDER") {
		if err := p.orderBy(); err != nil {
			return err
		}
	}
	if p.accept("LIMIT") {
		n, err := p.count(50000)
		if err != nil {
			return err
		}
		p.query.limit = n
	}
	if p.accept("OFFSET") {
		n, err := p.count(2000)
		if err != nil {
			return err
		}
		p.query.offset = n
	}
	if t := p.peek(); t.kind != 0 {
		return unexpected(t)
	}
	return nil
}

func (p *soql) count(most int) (int, *apiError) {
	t := p.next()
	n, err := strconv.Atoi(t.text)
	if t.kind != 'n' || err != nil || n < 0 {
		return 0, unexpected(t)
	}
	if n > most {
		return 0, bare(400, "NUMBER_OUTSIDE_VALID_RANGE", fmt.Sprintf("Maximum is %d", most))
	}
	return n, nil
}

func (p *soql) orderBy() *apiError {
	if err := p.expect("BY"); err != nil {
		return err
	}
	for {
		t := p.next()
		if t.kind != 'i' {
			return unexpected(t)
		}
		by, err := p.path(t)
		if err != nil {
			return err
		}
		if !by.field.is('F') {
			return bare(400, "MALFORMED_QUERY", "field '"+by.field.Name+"' can not be sorted in a query call")
		}
		o := ordering{path: by, down: p.accept("DESC")}
		if !o.down {
			p.accept("ASC")
		}
		if p.accept("NULLS") {
			o.nullsLast = p.accept("LAST")
			if !o.nullsLast && !p.accept("FIRST") {
				return unexpected(p.peek())
			}
		}
		p.query.order = append(p.query.order, o)
		if !p.accept(",") {
			return nil
		}
	}
}
