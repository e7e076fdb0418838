package ledger

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A version of the ledger says which observation of a record it was:
//
//	3           the source's own version
//	3-p1        the same, seen together with version 1 of its patient
//	5-w2        the same, seen together with what worklists said after two changes of that
//	3-p1~gone   after 3-p1 the source had deleted the record
//	3-p1~back   and then gave it again under the version it had before
//
// What refbridge itself adds about a deletion follows a ~, which cannot stand in a FHIR id, so no source can send it.
const (
	patientPart  = "-p"
	worklistPart = "-w"
	turnMark     = "~"
)

// WithPatient returns the version of a record that was seen together with a version of its patient. SplitVersion and
// OwnVersion take it apart again, whatever characters the two hold.
func WithPatient(own, patient string) string {
	if strings.Contains(patient, patientPart) {
		patient = shortDigest([]byte(patient))
	}
	if patient == "" && !strings.Contains(own, patientPart) && !strings.Contains(own, worklistPart) {
		return own
	}
	return own + patientPart + patient
}

// OwnVersion returns the source's own part of a version: what If-Match needs.
func OwnVersion(version string) string { return split(version).own }

// versionParts is a version taken apart.
type versionParts struct {
	own  string // the source's own
	kind string // of what was seen beside it: patientPart, worklistPart, or nothing
	with string // the version or digest of that
	turn int    // 0: as the source gave it; odd: deleted; even: given again
}

func split(version string) versionParts {
	head, tail, _ := strings.Cut(version, turnMark)
	p := versionParts{own: head, turn: turnOf(tail)}
	if i := strings.LastIndex(head, patientPart); i > 0 {
		p.own, p.kind, p.with = head[:i], patientPart, head[i+len(patientPart):]
	} else if i := strings.LastIndex(head, worklistPart); i > 0 && decimal(head[:i]) {
		p.own, p.kind, p.with = head[:i], worklistPart, head[i+len(worklistPart):]
	}
	return p
}

// turnOf reads gone, back, gone.3, back.4 …: how often the record was deleted and given again.
func turnOf(tail string) int {
	word, number, _ := strings.Cut(tail, ".")
	n, err := strconv.Atoi(number)
	switch {
	case word == "":
		return 0
	case err == nil:
		return n
	case word == "back":
		return 2
	}
	return 1
}

// inTurn returns the version as it is called in a later turn.
func inTurn(version string, turn int) string {
	head, _, _ := strings.Cut(version, turnMark)
	word := "gone"
	switch {
	case turn == 0:
		return head
	case turn%2 == 0:
		word = "back"
	}
	if turn > 2 {
		word = fmt.Sprintf("%s.%d", word, turn)
	}
	return head + turnMark + word
}

// Deleted reports whether a version says that the source had deleted the record.
func Deleted(version string) bool { return split(version).turn%2 == 1 }

// stamp is what the order of two versions of a ref is told from.
type stamp struct {
	version string
	updated int64 // meta.lastUpdated of the record; 0 = the source did not say
	beside  int64 // meta.lastUpdated of the patient that was seen beside it
	seq     int64 // order of sighting
}

// before reports whether a is the older of two versions of a ref. The source's own part decides first: by value where
// both are decimal numbers, by meta.lastUpdated where they are not, by the order of sighting where that says nothing.
// Under the same own part a later turn is newer, then what was seen beside it decides in the same way.
func (a stamp) before(b stamp) bool { return a.compare(b) < 0 }

func (a stamp) compare(b stamp) int {
	x, y := split(a.version), split(b.version)
	switch {
	case a.version == b.version:
		return 0
	case x.own != y.own && decimal(x.own) && decimal(y.own):
		if c := compareNumbers(x.own, y.own); c != 0 {
			return c
		}
	case x.own != y.own:
		return cmp.Or(compareTimes(a.updated, b.updated), compareTimes(a.beside, b.beside), cmp.Compare(a.seq, b.seq))
	}
	numbers := x.kind == y.kind && decimal(x.with) && decimal(y.with)
	if c := cmp.Compare(x.turn, y.turn); c != 0 {
		return c
	}
	if numbers {
		return cmp.Or(compareNumbers(x.with, y.with), cmp.Compare(a.seq, b.seq))
	}
	return cmp.Or(compareTimes(a.updated, b.updated), compareTimes(a.beside, b.beside), cmp.Compare(a.seq, b.seq))
}

// compareTimes orders two instants where both are known.
func compareTimes(a, b int64) int {
	if a == 0 || b == 0 {
		return 0
	}
	return cmp.Compare(a, b)
}

func compareNumbers(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}

func decimal(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// behindFor is how long reads may give an older version than the newest before it is no lagging copy any more: the
// source was put back to an earlier state, and a person has to decide.
const behindFor = time.Hour
