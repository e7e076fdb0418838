// Package spelling finds the name that a misspelt one may have meant.
package spelling

import "strings"

// longest is the longest text, in bytes, that is taken for a name: a file may hold anything where a name belongs.
const longest = 80

// Nearest gives the name that is written most like a misspelt one, whatever the case; empty where none is near. Two letters that
// changed places count as one mistake. A short name may have two mistakes, a longer one three.
func Nearest(name string, names []string) string {
	if len(name) > longest {
		return ""
	}
	best, limit := "", min(max(2, len(name)/3), 3)+1
	lower := strings.ToLower(name)
	for _, n := range names {
		if n == "" || max(len(n)-len(name), len(name)-len(n)) >= limit {
			continue // it takes as many mistakes
		}
		if d := Distance(lower, strings.ToLower(n)); d < limit {
			best, limit = n, d
		}
	}
	return best
}

// Distance is the restricted Damerau-Levenshtein distance of two words: how many letters are wrong, missing, too many, or in each
// other's place.
func Distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := last[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			row[j] = min(last[j]+1, row[j-1]+1, change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
