package ndjson

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"errors"
	"hash/maphash"
	"io"
	"os"
	"slices"

	"refbridge/fhir"
)

const (
	placeSize = 32
	maxRun    = 1 << 18 // places that are held in memory: 8 MiB
	blockSize = 512     // places that are read at a time
)

// place is where a record stands that has a resource of some name.
type place struct {
	hash uint64 // of Type/id
	base uint64 // hash of the service base URL that its fullUrl tells, 0 where none does
	at   int64
	size uint32
	file uint32
}

// index finds places by name: sorted runs, all but the last one in a temporary file.
//
//	add -> held -> (full) -> sorted, appended to the file as a run -> ... -> done
//	find: in each run, by the hashes of the first place of each block, then within one block or two
type index struct {
	seed maphash.Seed
	open bool // seed is set
	held []place
	runs []run
	file *os.File // nil: nothing was too much
	size int64
}

// run is a sorted part of the file.
type run struct {
	at, places int64
	first      []uint64 // the hash of the first place of each block
}

func (x *index) hash(typ, id string) uint64 {
	var h maphash.Hash
	if !x.open {
		x.seed, x.open = maphash.MakeSeed(), true
	}
	h.SetSeed(x.seed)
	_, _ = h.WriteString(typ)
	_ = h.WriteByte('/')
	_, _ = h.WriteString(id)
	return h.Sum64()
}

// server is the hash of a base, 0 for none.
func (x *index) server(base string) uint64 {
	if base == "" {
		return 0
	}
	return x.hash(fhir.BaseKey(base), "") | 1
}

func (x *index) add(typ, id, base string, p place) error {
	if id == "" {
		return nil
	}
	p.hash, p.base = x.hash(typ, id), x.server(base)
	if x.held = append(x.held, p); len(x.held) < maxRun {
		return nil
	}
	return x.spill()
}

// done ends the filling.
func (x *index) done() error {
	x.hash("", "") // sets the seed, before several look at once
	if x.file != nil {
		return x.spill()
	}
	x.sort()
	return nil
}

func (x *index) sort() {
	slices.SortFunc(x.held, func(a, b place) int {
		if a.hash != b.hash {
			return cmp.Compare(a.hash, b.hash)
		}
		return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(a.at, b.at))
	})
}

// spill writes what is held to the file, as one run.
func (x *index) spill() error {
	if x.file == nil {
		file, err := os.CreateTemp("", "refbridge-*.index") // 0600
		if err != nil {
			return err
		}
		x.file = file
	}
	x.sort()
	r := run{at: x.size, places: int64(len(x.held))}
	w := bufio.NewWriter(x.file)
	var b [placeSize]byte
	for i, p := range x.held {
		if i%blockSize == 0 {
			r.first = append(r.first, p.hash)
		}
		binary.LittleEndian.PutUint64(b[:], p.hash)
		binary.LittleEndian.PutUint64(b[8:], uint64(p.at))
		binary.LittleEndian.PutUint32(b[16:], p.size)
		binary.LittleEndian.PutUint32(b[20:], p.file)
		binary.LittleEndian.PutUint64(b[24:], p.base)
		if _, err := w.Write(b[:]); err != nil {
			return err
		}
	}
	x.size += r.places * placeSize
	x.runs, x.held = append(x.runs, r), x.held[:0]
	return w.Flush()
}

// find returns the places of a name; a few of others with the same hash may be among them.
func (x *index) find(typ, id string) ([]place, error) {
	hash := x.hash(typ, id)
	at, _ := slices.BinarySearchFunc(x.held, hash, func(p place, h uint64) int { return cmp.Compare(p.hash, h) })
	var out []place
	for ; at < len(x.held) && x.held[at].hash == hash; at++ {
		out = append(out, x.held[at])
	}
	for _, r := range x.runs {
		found, err := x.inRun(r, hash)
		if err != nil {
			return nil, err
		}
		if out = append(out, found...); len(out) > maxTwins {
			break
		}
	}
	return out, nil
}

func (x *index) inRun(r run, hash uint64) ([]place, error) {
	block, _ := slices.BinarySearch(r.first, hash)
	var out []place
	buf := make([]byte, blockSize*placeSize)
	for block = max(block-1, 0); block < len(r.first) && r.first[block] <= hash && len(out) <= maxTwins; block++ {
		n := min(blockSize, r.places-int64(block)*blockSize) * placeSize
		if _, err := x.file.ReadAt(buf[:n], r.at+int64(block)*blockSize*placeSize); err != nil && err != io.EOF {
			return nil, err
		}
		for b := buf[:n]; len(b) > 0; b = b[placeSize:] {
			if binary.LittleEndian.Uint64(b) == hash {
				out = append(out, place{hash: hash, at: int64(binary.LittleEndian.Uint64(b[8:])),
					size: binary.LittleEndian.Uint32(b[16:]), file: binary.LittleEndian.Uint32(b[20:]), base: binary.LittleEndian.Uint64(b[24:])})
			}
		}
	}
	return out, nil
}

func (x *index) close() error {
	if x.file == nil {
		return nil
	}
	return errors.Join(x.file.Close(), os.Remove(x.file.Name()))
}
