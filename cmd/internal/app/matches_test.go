package app

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// What tails find together is what the filter of each lets through, in blocks that fill up
// meanwhile, and while other tails come and go.
func TestMatchesAreThoseOfEachFilter(t *testing.T) {
	var r recent
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // It is to be the same each time.
	names := []string{"a", "b", "c"}
	one := func() string { return names[random.IntN(len(names))] }
	type reader struct {
		*tail

		end func()
	}
	var readers []reader
	found := 0
	for range 300 {
		if len(readers) < 20 {
			query := url.Values{}
			for _, name := range []string{"cluster", "resource", "namespace", "route"} {
				if random.IntN(3) == 0 {
					query.Set(name, one())
				}
			}
			tail, end := lookingTail(t, &r, io.Discard, query)
			readers = append(readers, reader{tail, end})
		} else {
			i := random.IntN(len(readers))
			readers[i].end()
			readers[i] = readers[len(readers)-1]
			readers = readers[:len(readers)-1]
		}
		for range random.IntN(blockSize) {
			d := podDelivery("x", 1, "")
			d.Change.Op = pipeline.Op(1 + random.IntN(3))
			d.Change.Key.Cluster, d.Change.Key.Namespace, d.Change.Key.Resource = one(), one(), one()+".g"
			d.Change.Origin = &pipeline.Origin{}
			d.Change.Origin.Resource.Resource = one()
			r.observe(one(), d)
		}
		for _, of := range readers {
			if random.IntN(2) == 0 {
				continue // it comes later
			}
			for l := r.borrow(of.at); l.block != nil; l = r.borrow(of.at) {
				set, want := of.found(l), uint64(0)
				for i := range l.answers {
					k := &l.answers[i]
					is := of.matches(k.route, &k.key, k.resource.Resource, k.op)
					if has := set[(l.first+i)/64]>>((l.first+i)%64)&1 == 1; has != is {
						t.Fatalf("%+v: found %v, want %v", k.answer, has, is)
					}
					if is {
						want++
					}
				}
				if set.count() != want {
					t.Fatalf("found %d in %d answers, want %d", set.count(), len(l.answers), want)
				}
				found += int(want)
				r.giveBack(l)
				of.at = l.next
			}
		}
	}
	for _, of := range readers {
		of.end()
	}
	if found == 0 {
		t.Error("nothing was found")
	}
}

func TestSetsOfAnswers(t *testing.T) {
	for first := range blockSize {
		for end := first; end <= blockSize; end++ {
			var all answerSet
			for i := range blockSize {
				all.add(i)
			}
			all.keep(first, end)
			if n := all.count(); n != uint64(end-first) {
				t.Fatalf("%d are kept from %d to %d", n, first, end)
			}
			for i := first; i < end; i++ {
				if got := all.take(); got != i {
					t.Fatalf("took %d of those from %d to %d, want %d", got, first, end, i)
				}
			}
			if !all.isEmpty() {
				t.Fatalf("from %d to %d: there are more", first, end)
			}
		}
	}
}

// A tail with an expression considers a bounded number of answers, and tells of the others. Tails
// share what may be copied.
func TestExpressionsAreBounded(t *testing.T) {
	for tails, share := range map[int]int{1: 1024, 2: 512, 40: 128} {
		var r recent
		var out strings.Builder
		one, end := lookingTail(t, &r, &out, url.Values{"where": {`pods:object['x'] == "y"`}})
		all := []*tail{one}
		for range tails - 1 {
			other, end := lookingTail(t, &r, io.Discard, url.Values{"where": {`pods:object['x'] == "y"`}})
			defer end()
			all = append(all, other)
		}
		for _, each := range all {
			each.makeRoom(time.Now()) // as each does when it looks
		}
		for i := range mostRecent {
			r.observe("x", podDelivery(fmt.Sprint(i), i, `{"x":"n"}`))
		}
		if _, err := one.look(time.Now()); err != nil {
			t.Fatal(err)
		}
		if want := max(4*share-mostRecent, 0); one.looks != want || one.skipped != 0 {
			t.Errorf("%d tails: one may consider %d more, want %d, and has not told of %d", tails, one.looks, want, one.skipped)
		}
		if err := one.out.Flush(); err != nil {
			t.Fatal(err)
		}
		// The first ones have copies, and are not selected; the others were left out.
		if want := fmt.Sprintf(`"skipped":%d`, mostRecent-share); strings.Count(out.String(), "\n") != 1 || !strings.Contains(out.String(), want) {
			t.Errorf("%d tails: one shows %q, want %q", tails, out.String(), want)
		}
		end()
	}
}

// A flood of what an expression is not about uses up nothing, and what the expression is about is
// shown.
func TestAnswersOfOthersAreNotConsidered(t *testing.T) {
	var r recent
	var out strings.Builder
	one, end := lookingTail(t, &r, &out, url.Values{"where": {`secrets:object['x'] == "y"`}})
	defer end()
	for i := range mostRecent - 2 {
		r.observe("x", podDelivery(fmt.Sprint(i), i, `{"x":"y"}`))
	}
	for name, object := range map[string]string{"the one": `{"x":"y"}`, "another": `{"x":"n"}`} {
		secret := podDelivery(name, 1, object)
		secret.Change.Key.Resource = "secrets"
		secret.Change.Origin = &pipeline.Origin{Cluster: "alpha", Resource: schema.GroupVersionResource{Version: "v1", Resource: "secrets"}}
		r.observe("x", secret)
	}
	if _, err := one.look(time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := one.out.Flush(); err != nil {
		t.Fatal(err)
	}
	if considered := looksPerObject*mostShared - one.looks; considered != 2 || strings.Count(out.String(), "\n") != 1 || !strings.Contains(out.String(), `"the one"`) {
		t.Errorf("it has considered %d, and shows %q", considered, out.String())
	}
}
