package sfdcsim

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	defaultPage    = 2000
	maxCursors     = 50
	cursorLifetime = 48 * time.Hour
)

// batchPattern reads Sforce-Query-Options.
var batchPattern = regexp.MustCompile(`(?i)batchSize\s*=\s*([0-9]+)`)

// cursor is a query's result that is read page by page. The rows are fixed when the query runs; their fields are read
// when the page is.
type cursor struct {
	id      string
	query   *query
	rows    []*row
	size    int
	expires time.Time
}

type cursors struct {
	open []*cursor // oldest first
	made int64
}

// queryResource is /query?q=, /queryAll?q= and /query/{locator}.
func (s *Server) queryResource(q request) response {
	if q.method != http.MethodGet {
		return failed(notAllowed(q.method, "HEAD", "GET"))
	}
	if len(q.path) == 2 {
		return s.nextPage(q)
	}
	parsed, err := parseSOQL(s.schema, q.query.Get("q"))
	if err != nil {
		return failed(err)
	}
	rows := s.selectRows(parsed, q.path[0] == "queryAll")
	if parsed.count {
		return response{status: 200, body: map[string]any{"totalSize": len(rows), "done": true, "records": []any{}}}
	}
	return s.page(q, &cursor{query: parsed, rows: rows, size: s.pageSize(q)}, 0)
}

func (s *Server) pageSize(q request) int {
	if s.options.PageSize > 0 {
		return s.options.PageSize
	}
	if m := batchPattern.FindStringSubmatch(q.header.Get("Sforce-Query-Options")); m != nil {
		n, _ := strconv.Atoi(m[1])
		return min(max(n, 200), defaultPage)
	}
	return defaultPage
}

func (s *Server) nextPage(q request) response {
	id, offset, ok := strings.Cut(q.path[1], "-")
	from, err := strconv.Atoi(offset)
	i := slices.IndexFunc(s.cursors.open, func(c *cursor) bool { return c.id == id && s.clock().Before(c.expires) })
	if !ok || err != nil || i < 0 || from < 0 || from > len(s.cursors.open[i].rows) {
		return failed(bare(400, "INVALID_QUERY_LOCATOR", "invalid query locator"))
	}
	return s.page(q, s.cursors.open[i], from)
}

// page answers with the rows from an offset, and opens a cursor if more are left.
func (s *Server) page(q request, c *cursor, from int) response {
	to := min(from+c.size, len(c.rows))
	records := []any{}
	for _, r := range c.rows[from:to] {
		records = append(records, s.render(q, c.query, r))
	}
	out := map[string]any{"totalSize": len(c.rows), "done": to == len(c.rows), "records": records}
	if to < len(c.rows) {
		s.keep(c)
		out["nextRecordsUrl"] = fmt.Sprintf("/services/data/v%s/query/%s-%d", q.version, c.id, to)
	}
	return response{status: 200, body: out}
}

func (s *Server) keep(c *cursor) {
	c.expires = s.clock().Add(cursorLifetime)
	if c.id != "" {
		return
	}
	s.cursors.made++
	c.id = newID("01g", s.store.instance, s.cursors.made)
	if len(s.cursors.open) == maxCursors {
		s.cursors.open = s.cursors.open[1:]
	}
	s.cursors.open = append(s.cursors.open, c)
}

// render gives the selected fields of a row, those of parents inside an object of their own.
func (s *Server) render(q request, parsed *query, r *row) map[string]any {
	out := map[string]any{"attributes": attributes(q.version, r)}
	for _, p := range parsed.selected {
		at, from := out, r
		for _, f := range p.through {
			if from = s.store.byID[from.text(f.Name)]; from == nil {
				at[f.Rel] = nil
				break
			}
			inner, ok := at[f.Rel].(map[string]any)
			if !ok {
				inner = map[string]any{"attributes": attributes(q.version, from)}
				at[f.Rel] = inner
			}
			at = inner
		}
		if from != nil {
			at[p.field.Name] = output(p.field, s.store.follow(r, p))
		}
	}
	return out
}

// selectRows runs a query over the store.
func (s *Server) selectRows(q *query, deleted bool) []*row {
	var out []*row
	for _, r := range s.candidates(q, deleted) {
		if (deleted || !r.deleted) && (q.where == nil || q.where.holds(s.store, r)) {
			out = append(out, r)
		}
	}
	slices.SortStableFunc(out, func(a, b *row) int { return s.inOrder(q.order, a, b) })
	out = out[min(q.offset, len(out)):]
	if q.limit >= 0 {
		out = out[:min(q.limit, len(out))]
	}
	return out
}

func (s *Server) inOrder(order []ordering, a, b *row) int {
	for _, o := range order {
		if n := o.compare(s.store.follow(a, o.path), s.store.follow(b, o.path)); n != 0 {
			return n
		}
	}
	return 0
}

func (o ordering) compare(x, y any) int {
	switch {
	case x == nil && y == nil:
		return 0
	case (x == nil) != (y == nil):
		if (x == nil) != o.nullsLast {
			return -1
		}
		return 1
	case o.down:
		return -compare(o.path.field, x, y)
	}
	return compare(o.path.field, x, y)
}

// candidates narrows the rows by one indexed equality, where the condition has one that must hold.
func (s *Server) candidates(q *query, deleted bool) []*row {
	all := s.store.tables[q.object.Name].rows
	if deleted {
		return all
	}
	terms, ok := q.where.(both)
	if !ok {
		terms = both{q.where}
	}
	for _, term := range terms {
		c, ok := term.(comparison)
		if !ok || len(c.path.through) > 0 || c.operator != "=" && c.operator != "IN" || slices.Contains(c.values, nil) {
			continue
		}
		if f := c.path.field; f.Name == "Id" || f.indexed() {
			return s.indexedRows(q.object, f, c.values)
		}
	}
	return all
}

func (s *Server) indexedRows(o *object, f *field, values []any) []*row {
	var out []*row
	for _, v := range values {
		out = append(out, s.store.find(o, f, v)...)
	}
	slices.SortFunc(out, func(a, b *row) int { return bySeq(a, b.seq) })
	return slices.Compact(out)
}
