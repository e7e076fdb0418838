package sfdcsim

import "strings"

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// newID makes the 18-character id of the n-th record with a prefix: three characters of prefix, three of the instance,
// nine of the number, three of checksum.
func newID(prefix, instance string, n int64) string {
	var digits [9]byte
	for i := len(digits) - 1; i >= 0; i-- {
		digits[i] = base62[n%62]
		n /= 62
	}
	id := prefix + instance + string(digits[:])
	return id + checksum(id)
}

// instanceOf gives the instance part of the ids of an org.
func instanceOf(seed int64) string {
	n := uint64(seed)*2654435761 + 977
	return string([]byte{base62[10+n%52], base62[n/52%62], '0'})
}

// checksum gives the three characters that make a case-sensitive id of 15 unique without case: five bits for each five
// characters, set where a capital stands.
func checksum(id15 string) string {
	out := make([]byte, 3)
	for chunk := range 3 {
		bits := 0
		for i := range 5 {
			if c := id15[chunk*5+i]; c >= 'A' && c <= 'Z' {
				bits |= 1 << i
			}
		}
		out[chunk] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"[bits]
	}
	return string(out)
}

// parseID accepts 15 characters, or 18 with the right checksum, and gives the 18.
func parseID(s string) (string, bool) {
	if len(s) != 15 && len(s) != 18 || strings.Trim(s, base62) != "" {
		return "", false
	}
	id := s[:15] + checksum(s[:15])
	return id, len(s) == 15 || strings.EqualFold(s[15:], id[15:])
}
