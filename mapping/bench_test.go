package mapping

import "testing"

func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		if _, err := Load(Default(), Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMap(b *testing.B) {
	set := starterTables(b)
	in := input(b, "ers-booked-two-week-wait")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := set.Map(in); err != nil {
			b.Fatal(err)
		}
	}
}
