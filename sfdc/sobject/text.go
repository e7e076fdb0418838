package sobject

import "strings"

// KeptText returns a text as Salesforce keeps it: it takes the white space off both ends when it stores one.
func KeptText(s string) string { return strings.TrimSpace(s) }

// sameText reports whether Salesforce would keep two texts as the same; lines may end in LF or CR LF, as different clients write them.
func sameText(a, b string) bool {
	lines := func(s string) string { return strings.ReplaceAll(KeptText(s), "\r\n", "\n") }
	return lines(a) == lines(b)
}
