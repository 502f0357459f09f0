package deadletter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"
)

// writeOf has sinks refuse objects: "beta/a" is object a of cluster beta.
func writeOf(t *testing.T, f *File, sink string, objects ...string) {
	t.Helper()
	for _, object := range objects {
		cluster, name, _ := strings.Cut(object, "/")
		c, origin := pod(name), *podOrigin
		origin.Cluster, c.Key.Cluster = cluster, cluster
		c.Origin = &origin
		if err := f.Write(sink, c, errRefused, 1); err != nil {
			t.Fatal(err)
		}
	}
}

// names returns what a lane of a Taken has, read one by one.
func (t *Taken) names(lane Lane) (names []string, err error) {
	for _, e := range t.Lanes()[lane] {
		r, err := t.Record(lane, e)
		if err != nil {
			return nil, err
		}
		names = append(names, r.Event.Name)
	}
	return names, nil
}

func wantNames(t *testing.T, taken *Taken, lane Lane, want string) {
	t.Helper()
	names, err := taken.names(lane)
	if got := strings.Join(names, " "); err != nil || got != want {
		t.Errorf("%v has %q, %v; want %q", lane, got, err, want)
	}
}

// all returns the names in all files, sorted.
func all(t *testing.T, path string) (names []string) {
	t.Helper()
	for _, path := range Files(path) {
		for r, err := range Read(path) {
			if errors.Is(err, os.ErrNotExist) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, r.Event.Name)
		}
	}
	slices.Sort(names)
	return names
}

func TestALaneIsTakenOnceAtATime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dead")
	f := mustOpen(t, path)
	x, y := Lane{"x", "alpha"}, Lane{"y", "alpha"}
	beta := Lane{"x", "beta"}
	writeOf(t, f, "x", "alpha/a", "beta/b", "alpha/c")
	first := mustTake(t, f)
	wantNames(t, first, x, "a c")
	wantNames(t, first, beta, "b")

	writeOf(t, f, "x", "alpha/d")
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if taken, err := f.Take(t.Context()); taken != nil || err != nil {
		t.Fatalf("taken although its lane is open: %v, %v", taken, err)
	}
	if after, err := os.Stat(path); err != nil || !os.SameFile(before, after) {
		t.Errorf("the file was copied although nothing was to be taken: %v", err)
	}
	writeOf(t, f, "y", "alpha/e", "alpha/f")
	second := mustTake(t, f)
	if n := len(second.Lanes()); n != 1 {
		t.Errorf("%d lanes are taken", n)
	}
	wantNames(t, second, y, "e f")
	holds(t, path, "d")
	holds(t, path+Suffix+".2", "e f") // not d, too
	if got, want := Files(path), []string{path + Suffix, path + Suffix + ".2", path}; !slices.Equal(got, want) {
		t.Errorf("files %q, want %q", got, want)
	}

	// What a lane has kept can be taken at once, although others of its file are open.
	if err := first.Finish(t.Context(), x, func(i int) bool { return i == 0 }); err != nil {
		t.Fatal(err)
	}
	holds(t, path, "d a")
	holds(t, path+Suffix, "b")
	third := mustTake(t, f)
	wantNames(t, third, x, "d a")
	wantNames(t, first, beta, "b")
	if err := errors.Join(first.Finish(t.Context(), beta, keepNone), finish(second, keepAll), finish(third, keepNone)); err != nil {
		t.Fatal(err)
	}
	if got := Files(path); len(got) != 1 {
		t.Errorf("there are %q", got)
	}
	holds(t, path, "e f")
}

// A lane is left as it is when the program ends: what is dealt with is not sent again.
func TestWhatIsLeftIsTakenNextTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dead")
	f := mustOpen(t, path)
	writeOf(t, f, "x", "alpha/a", "beta/b", "alpha/c")
	taken := mustTake(t, f)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := taken.Finish(ended, Lane{"x", "alpha"}, func(i int) bool { return i == 1 }); err != nil {
		t.Fatal(err)
	}
	if err := taken.Finish(t.Context(), Lane{"x", "beta"}, keepNone); err != nil {
		t.Fatal(err)
	}
	holds(t, path+Suffix, "c")
	holds(t, path, "")
	taken = mustTake(t, f)
	wantNames(t, taken, Lane{"x", "alpha"}, "c")
	if err := finish(taken, keepNone); err != nil {
		t.Fatal(err)
	}
	if got := all(t, path); len(got) > 0 {
		t.Errorf("%q are left", got)
	}
}

// What a lane could not put back is put back by the next Take, while others are open.
func TestAFullDiskIsTriedAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dead")
	f := mustOpen(t, path)
	writeOf(t, f, "x", "alpha/a", "alpha/b", "beta/open")
	taken := mustTake(t, f)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := taken.Finish(t.Context(), Lane{"x", "alpha"}, func(i int) bool { return i == 1 }); err == nil {
		t.Error("Finish had nowhere to put it")
	}
	for range 2 {
		if taken, err := f.Take(t.Context()); taken != nil || err == nil {
			t.Errorf("Take had nowhere to put it: %v, %v", taken, err)
		}
	}
	holds(t, path+Suffix, "b open")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	again := mustTake(t, f)
	wantNames(t, again, Lane{"x", "alpha"}, "b")
	if err := errors.Join(finish(again, keepNone), taken.Finish(t.Context(), Lane{"x", "beta"}, keepNone)); err != nil {
		t.Error(err)
	}
	if got := all(t, path); len(got) > 0 {
		t.Errorf("%q are left", got)
	}
}

// Lines that are no records go back to the file at once, as they are.
func TestWhatIsNoRecordGoesBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dead")
	f := mustOpen(t, path)
	mustWrite(t, f, "a")
	const junk, kept = "by hand\n \t\n{}\n\x18 also by hand\n", "by hand\n{}\n\x18 also by hand\n"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append([]byte(junk), text...), 0o600); err != nil {
		t.Fatal(err)
	}
	taken := mustTake(t, f)
	if n, told := taken.Bad(); n != 3 || len(told) != 3 || !strings.Contains(told[1].Error(), "line 3") {
		t.Errorf("%d lines: %v", n, told)
	}
	wantNames(t, taken, Lane{"file:x", "alpha"}, "a")
	if got, err := os.ReadFile(path); err != nil || string(got) != kept {
		t.Errorf("%q, %v", got, err)
	}
	if err := finish(taken, keepNone); err != nil {
		t.Fatal(err)
	}

	// There is nothing else.
	if taken = mustTake(t, f); len(taken.Lanes()) != 0 {
		t.Errorf("lanes %v", taken.Lanes())
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != kept || len(Files(path)) != 1 {
		t.Errorf("%q, %v, %v", got, err, Files(path))
	}
}

// A line that decoders might read differently is told from the others when it is read.
func TestADoubtfulLineIsNoRecord(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dead")
	f := mustOpen(t, path)
	text := appendRecord(nil, time.Now(), "file:x", pod("a"), errRefused, 3)
	twice := bytes.Replace(text, []byte(`"sink":`), []byte(`"sink":"y","sink":`), 1)
	if err := os.WriteFile(path, append(twice, text...), 0o600); err != nil {
		t.Fatal(err)
	}
	taken := mustTake(t, f)
	lane := Lane{"file:x", "alpha"}
	for i, e := range taken.Lanes()[lane] {
		if r, err := taken.Record(lane, e); (err == nil) != (i == 1) || err != nil && !strings.Contains(err.Error(), "at byte 0") {
			t.Errorf("%d: %+v, %v", i, r, err)
		}
	}
	if err := finish(taken, func(i int) bool { return i == 0 }); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, twice) {
		t.Errorf("%q, %v", got, err)
	}
}

// Another program writes to a file that was taken.
func TestAFileThatChangesBelow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dead")
	f := mustOpen(t, path)
	mustWrite(t, f, "a", "b", "c")
	taken := mustTake(t, f)
	lane := Lane{"file:x", "alpha"}
	entries := taken.Lanes()[lane]
	text, err := os.ReadFile(path + Suffix)
	if err != nil {
		t.Fatal(err)
	}
	other := bytes.Replace(text[:entries[1].offset], []byte("alpha"), []byte("bravo"), -1)
	if err := os.WriteFile(path+Suffix, append(other, text[entries[1].offset:entries[2].offset+9]...), 0o600); err != nil {
		t.Fatal(err)
	}
	for i, ok := range []bool{false, true, false} { // of another cluster, as it was, cut short
		if r, err := taken.Record(lane, entries[i]); (err == nil) != ok {
			t.Errorf("record %d: %+v, %v", i, r, err)
		}
	}
	if err := finish(taken, keepAll); err == nil {
		t.Error("what is not there any more was put back")
	}
}

func TestTakesAreBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dead")
	f := mustOpen(t, path)
	var open []*Taken
	for i := range mostTaken {
		writeOf(t, f, fmt.Sprint("x", i/mostOfSink), fmt.Sprintf("c%d/a", i))
		open = append(open, mustTake(t, f))
	}
	writeOf(t, f, "y", "more/a")
	if taken, err := f.Take(t.Context()); taken != nil || err == nil || !strings.Contains(err.Error(), "wait") {
		t.Errorf("%v, %v", taken, err)
	}
	holds(t, path, "a")
	for _, taken := range open {
		if err := finish(taken, keepNone); err != nil {
			t.Error(err)
		}
	}
	if err := finish(mustTake(t, f), keepNone); err != nil {
		t.Error(err)
	}
}

// A sink that takes nothing leaves names for the retries of others, however often it is tried.
func TestASinkLeavesNamesForOthers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dead")
	f := mustOpen(t, path)
	var open []*Taken
	for i := range mostOfSink {
		writeOf(t, f, "down", fmt.Sprintf("c%d/a", i))
		open = append(open, mustTake(t, f))
	}
	writeOf(t, f, "down", "more/b", "other/c")
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if taken, err := f.Take(t.Context()); taken != nil || err == nil || !strings.Contains(err.Error(), `8 earlier retries of sink "down" go on; wait`) {
		t.Errorf("%v, %v", taken, err)
	}
	if after, err := os.Stat(path); err != nil || !os.SameFile(before, after) {
		t.Errorf("the file was copied although nothing was to be taken: %v", err)
	}
	writeOf(t, f, "well", "more/d")
	taken := mustTake(t, f)
	wantNames(t, taken, Lane{"well", "more"}, "d")
	if full := taken.Full(); len(taken.Lanes()) != 1 || len(full) != 1 || full[errFull("down").Error()] != 2 {
		t.Errorf("lanes %v, full %v", taken.Lanes(), full)
	}
	holds(t, path, "b c")
	if err := errors.Join(finish(taken, keepNone), finish(open[3], keepNone)); err != nil {
		t.Fatal(err)
	}
	taken = mustTake(t, f)
	wantNames(t, taken, Lane{"down", "more"}, "b")
	if full := taken.Full(); len(full) != 0 {
		t.Errorf("full %v", full)
	}
	for _, taken := range append(open, taken) {
		if err := finish(taken, keepNone); err != nil {
			t.Error(err)
		}
	}
}

// The program ends at any instant between the renaming of the file and the end of what is put
// back first: lines that are no records are left, whatever they begin with.
func TestWhatIsNoRecordOutlivesACrash(t *testing.T) {
	const junk = "by hand\n\x18 also by hand\n\x18{}\n{}\n"
	for _, marked := range []int{0, 1, 2, 3, 4} {
		path := filepath.Join(t.TempDir(), "dead")
		f := mustOpen(t, path)
		mustWrite(t, f, "a")
		record, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		backwards := strings.Replace(string(record), recordStart, `  {"attempts":7,"time":"`, 1) // is a record, too
		if err := os.WriteFile(path+Suffix, []byte(junk+string(record)+backwards), 0o600); err != nil {
			t.Fatal(err)
		}
		before := &Taken{file: f, path: path + Suffix}
		if before.f, err = os.OpenFile(before.path, os.O_RDWR, 0); err != nil {
			t.Fatal(err)
		}
		lines, err := before.lines(t.Context())
		if err != nil || len(lines) != 6 {
			t.Fatalf("%d lines, %v", len(lines), err)
		}
		var back []byte // what was put back
		for _, e := range lines[:marked] {
			if back, err = before.text(back, e); err != nil {
				t.Fatal(err)
			}
		}
		for _, e := range append(lines[:marked:marked], lines[4:]...) {
			err = errors.Join(err, before.mark(e))
		}
		if err = errors.Join(err, before.f.Close(), os.WriteFile(path, back, 0o600)); err != nil {
			t.Fatal(err)
		}
		if err := finish(mustTake(t, f), keepNone); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != junk || len(Files(path)) != 1 {
			t.Errorf("%d marked: %q is left in %q, %v; want %q", marked, got, Files(path), err, junk)
		}
	}
}

func TestTakeEndsWithItsContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dead")
	f := mustOpen(t, path)
	mustWrite(t, f, "a")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if taken, err := f.Take(ctx); taken != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("%v, %v", taken, err)
	}
	if got := all(t, path); !slices.Equal(got, []string{"a"}) {
		t.Errorf("%q are left", got)
	}
	if err := finish(mustTake(t, f), keepNone); err != nil {
		t.Error(err)
	}
}

func TestSizeOfAnEntry(t *testing.T) {
	if n := unsafe.Sizeof(Entry{}); n != 16 {
		t.Errorf("%d bytes", n)
	}
}

// TestNothingIsLostNorDoubled does at random what a program does, ends between any two
// steps included, and compares all files with a list.
func TestNothingIsLostNorDoubled(t *testing.T) {
	for seed := range uint64(10) {
		rng := rand.New(rand.NewPCG(seed, 1))
		path := filepath.Join(t.TempDir(), "dead")
		f, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		type openLane struct {
			taken *Taken
			lane  Lane
		}
		var open []openLane
		var want []string
		next := 0
		for range 60 {
			switch n := rng.IntN(10); {
			case n < 5:
				name := fmt.Sprintf("n%03d", next)
				next++
				writeOf(t, f, fmt.Sprint("sink-", rng.IntN(2)), fmt.Sprintf("c%d/%s", rng.IntN(3), name))
				want = append(want, name)
				continue
			case n < 7:
				taken, err := f.Take(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if taken == nil {
					continue
				}
				for lane := range taken.Lanes() {
					open = append(open, openLane{taken, lane})
				}
			case n < 9 && len(open) > 0:
				i := rng.IntN(len(open))
				o := open[i]
				open = slices.Delete(open, i, i+1)
				names, err := o.taken.names(o.lane)
				if err != nil {
					t.Fatal(err)
				}
				kept := map[string]bool{}
				for _, name := range names {
					kept[name] = rng.IntN(2) == 0
				}
				end, cancel := context.WithCancel(t.Context())
				if rng.IntN(4) == 0 {
					cancel()
				}
				err = o.taken.Finish(end, o.lane, func(i int) bool { return kept[names[i]] })
				cancel()
				if err != nil {
					t.Fatal(err)
				}
				want = slices.DeleteFunc(want, func(name string) bool { is, ours := kept[name]; return ours && !is })
			case n == 9 && rng.IntN(3) == 0: // it is killed
				for _, o := range open {
					_ = o.taken.f.Close()
				}
				open = nil
				if err := f.Close(); err != nil {
					t.Fatal(err)
				}
				if f, err = Open(path); err != nil {
					t.Fatal(err)
				}
			}
			if got := all(t, path); !slices.Equal(got, want) {
				t.Fatalf("seed %d: the files tell of %q, want %q", seed, got, want)
			}
		}
		for _, o := range open {
			if err := o.taken.Finish(t.Context(), o.lane, keepNone); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// BenchmarkTake takes 100,000 records of 100 lanes, of 2 KiB each.
func BenchmarkTake(b *testing.B) {
	path := filepath.Join(b.TempDir(), "dead")
	var text []byte
	for i := range 100_000 {
		c, origin := pod(fmt.Sprint("n", i)), *podOrigin
		origin.Cluster = fmt.Sprint("c", i%100)
		c.Key.Cluster, c.Origin = origin.Cluster, &origin
		c.Object = []byte(`{"kind":"Pod","x":"` + strings.Repeat("x", 1500) + `"}`)
		text = appendRecord(text, c.Observed, "s", c, errRefused, 1)
	}
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		b.StopTimer()
		if err := os.WriteFile(path, text, 0o600); err != nil {
			b.Fatal(err)
		}
		f, err := Open(path)
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		taken, err := f.Take(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		held := 0
		for _, lane := range taken.Lanes() {
			held += cap(lane) * int(unsafe.Sizeof(Entry{}))
		}
		b.ReportMetric(float64(held)/100_000, "B/record")
		if err := errors.Join(finish(taken, func(int) bool { return false }), f.Close()); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
