package measure

import (
	"refbridge/fhir"
	"refbridge/mapping"
)

// LostHint says what to do about an unaccounted value that never comes to the tables.
const LostHint = "refbridge does not take it over from e-RS, so no table can map it: please report it"

// lost counts the values of what the source sent that never come to the tables: dropped where there is a reason, else unaccounted.
func (c *Coverage) lost(n fhir.Node, b *branch, reasons map[fhir.Node]string) {
	switch n.Kind() {
	case fhir.Object:
		for m := range n.Members() {
			c.lost(m, c.child(b, "."+stepName(m.Name())), reasons)
		}
	case fhir.Array:
		for item := range n.Items() {
			c.lost(item, c.child(b, itemStep(n, item)), reasons)
		}
	default:
		why, lost := reasons[n]
		switch {
		case lost && why == "":
			c.count(b, rank(Unaccounted), nil)
		case lost:
			c.count(b, rank(mapping.Dropped), []int{c.use(mapping.Use{State: mapping.Dropped, Why: why})})
		}
	}
}
