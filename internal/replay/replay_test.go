package replay_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-dev/fairlead/internal/replay"
)

// told are short forms of events about one ConfigMap: "A1" is version 1 of UID A,
// "-A2" its deletion at version 2, "~A" a tombstone, "A1/g2" the same in another
// generation, "A1@7" with the number 7, "restart" a new run, and before
// that "stored:2" or "stored-A" what the new run finds stored: a version, or the
// deletion of A.
func apply(t *testing.T, told string) *replay.State {
	t.Helper()
	return applyTo(t, replay.New(), told)
}

func applyTo(t *testing.T, s *replay.State, told string) *replay.State {
	t.Helper()
	for word := range strings.FieldsSeq(told) {
		if word == "restart" {
			s.NewRun()
			continue
		}
		if uid, ok := strings.CutPrefix(word, "stored-"); ok {
			s.StoredDeletion(object(uid))
			continue
		}
		if version, ok := strings.CutPrefix(word, "stored:"); ok {
			s.Stored(object("A"), "cu", version)
			continue
		}
		s.Apply(parse(t, word))
	}
	return s
}

func parse(t *testing.T, word string) replay.Event {
	t.Helper()
	e, err := replay.Parse([]byte(line(word)))
	if err != nil {
		t.Fatalf("%s: %v", word, err)
	}
	return e
}

func line(word string) string {
	op, end, rest := "updated", "", ""
	word, number, _ := strings.Cut(word, "@")
	word, generation, _ := strings.Cut(word, "/")
	if strings.HasPrefix(word, "-") || strings.HasPrefix(word, "~") {
		op, end = "deleted", "/deleted"
	}
	if strings.HasPrefix(word, "~") {
		rest = `,"tombstone":true`
	}
	word = strings.TrimLeft(word, "-~")
	uid, version := word[:1], word[1:]
	if end = version + end; generation != "" {
		end += "/" + generation
	}
	if number != "" {
		rest += fmt.Sprintf(`,"term":"%020d","sequence":"%020s"`, 1, number)
	}
	if op != "deleted" || !strings.Contains(rest, "tombstone") {
		rest += fmt.Sprintf(`,"data":{"metadata":{"name":"n","namespace":"ns","uid":%q,"resourceVersion":%q}}`, uid, version)
	}
	return fmt.Sprintf(`{"specversion":"1.0","type":"dev.fairlead.resource.%s.v1","source":"/clusters/c","id":"/v1/configmaps/%s/%s","cluster":"c",`+
		`"clusteruid":"cu","namespace":"ns","name":"n","resourceversion":%q%s}`, op, uid, end, version, rest)
}

func object(uid string) replay.Object {
	return replay.Object{Cluster: "c", Resource: "configmaps", Namespace: "ns", Name: "n", UID: uid}
}

func TestCompare(t *testing.T) {
	for _, test := range []struct {
		name, told string
		held       string // on the server, as one word of told; empty: nothing
		want       replay.Difference
	}{
		{name: "nothing anywhere"},
		{name: "equal", told: "A1 A2", held: "A2"},
		{name: "equal after a repeat", told: "A1 A2 A2", held: "A2"},
		{name: "deleted", told: "A1 -A2"},
		{name: "deleted by a tombstone", told: "A1 ~A9"},
		{name: "only the deletion came", told: "-A2"},
		{name: "taken again", told: "A1 -A2 B3", held: "B3"},
		{name: "never told", held: "A1", want: replay.Difference{
			Missing: []string{"c/configmaps/ns/n (A): the server has it, the sink does not"},
		}},
		{name: "latest version not told", told: "A1 A2", held: "A3", want: replay.Difference{
			Missing: []string{"c/configmaps/ns/n (A): the server has version 3, the sink 2"},
		}},
		{name: "an older version came last", told: "A3 A2", held: "A3", want: replay.Difference{
			Missing: []string{"c/configmaps/ns/n (A): the server has version 3, the sink 2"},
		}},
		{name: "said to be gone but there", told: "A1 -A2", held: "A1", want: replay.Difference{
			Missing: []string{"c/configmaps/ns/n (A): the server has it, the sink does not"},
		}},
		{name: "deletion lost", told: "A1", want: replay.Difference{
			Ghosts: []string{"c/configmaps/ns/n (A): the sink has it, the server does not"},
		}},
		{name: "deletion of the first UID lost", told: "A1 B3", held: "B3", want: replay.Difference{
			Ghosts: []string{"c/configmaps/ns/n (A): the sink has it, the server does not"},
		}},
		{name: "first UID gone, second never told", told: "A1", held: "B3", want: replay.Difference{
			Missing: []string{"c/configmaps/ns/n (B): the server has it, the sink does not"},
			Ghosts:  []string{"c/configmaps/ns/n (A): the sink has it, the server does not"},
		}},
		{name: "lost across a restart", told: "A1 restart B3", held: "B3", want: replay.Difference{
			Ghosts: []string{"c/configmaps/ns/n (A): the sink has it, the server does not"},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			held := map[replay.Object]string{}
			if test.held != "" {
				held[object(test.held[:1])] = test.held[1:]
			}
			got := apply(t, test.told).Compare(held)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
			if got.Equal() != (len(test.want.Missing)+len(test.want.Ghosts) == 0) {
				t.Error("Equal says", got.Equal())
			}
		})
	}
}

func TestCompareSomeClusters(t *testing.T) {
	s := apply(t, "A1")
	if got := s.Compare(nil, "other"); !got.Equal() {
		t.Error("compared with another cluster:", got)
	}
	if got := s.Compare(nil, "other", "c"); len(got.Ghosts) != 1 {
		t.Error("compared with this cluster, too:", got)
	}
}

func TestOrder(t *testing.T) {
	for _, test := range []struct {
		name, told string
		repeated   int
		outOfOrder int
	}{
		{name: "forwards", told: "A1 A2 A5 -A6 B7 B8"},
		{name: "the same again", told: "A1 A1 A2 -A3 -A3", repeated: 2},
		{name: "deletions of what was never told", told: "A1 ~A9 -B4 C10"},
		{name: "a tombstone's version is another object's", told: "A1 ~A7 B7 B9"},
		{name: "a tombstone with an old version", told: "A5 ~A3"},
		{name: "a tombstone with a later version", told: "A1 ~A9 B7"},
		{name: "old UID's deletion after both", told: "A1 B3 -B4 ~A4", outOfOrder: 1},
		{name: "backwards", told: "A2 A1", outOfOrder: 1},
		{name: "backwards and on", told: "A2 A1 A2 A3", outOfOrder: 1, repeated: 1},
		{name: "numbers, not text", told: "A9 A10"},
		{name: "revived", told: "A1 -A2 A1", outOfOrder: 1},
		{name: "revived with its last version", told: "A1 ~A2 A1", outOfOrder: 1},
		{name: "deletion older than the state", told: "A5 -A3", outOfOrder: 1},
		{name: "another UID with an older version", told: "B7 -B8 A2", outOfOrder: 1},
		{name: "old UID's deletion after the new UID", told: "A1 B3 ~A4", outOfOrder: 1},
		{name: "old UID's deletion again after the new UID", told: "A1 ~A3 B3 ~A3 B3", repeated: 2},
		{name: "unknown UID's deletion while another lives", told: "A1 ~B4", outOfOrder: 1},
		{name: "old UID's state after the new UID", told: "A1 -A2 B3 A1", outOfOrder: 1},
		{name: "what was stored", told: "A1 A2 stored:2 restart A2 A3", repeated: 0},
		{name: "older than what was stored", told: "A1 A2 stored:2 restart A1 A2", outOfOrder: 1},
		{name: "older than what was stored once", told: "A1 A2 stored:2 restart stored:1 restart A1", outOfOrder: 1},
		{name: "revived although its deletion was stored", told: "A1 -A2 stored:2 restart A1", outOfOrder: 1},
		{name: "revived after a deletion without a version was stored", told: "A1 ~A2 stored-A restart A1", outOfOrder: 1},
		{name: "revived after it was stored once", told: "A1 ~A2 stored-A restart B3 -B4 restart A1", outOfOrder: 1},
		{name: "deleted again after it was stored", told: "A1 ~A2 stored-A restart ~A2 B3"},
		{name: "a tombstone after what was stored", told: "A3 stored:3 restart ~A2"},
		{name: "stored, and never told of", told: "stored:2 restart A1", outOfOrder: 1},
		{name: "a restart repeats in order", told: "A1 A2 -A3 B4 restart A2 -A3 B4 B5"},
		{name: "a restart repeats an old deletion", told: "A1 ~A3 B3 restart ~A3 B3"},
		{name: "a restart that goes backwards itself", told: "A1 A2 restart A2 A1", outOfOrder: 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := apply(t, test.told)
			if len(s.OutOfOrder) != test.outOfOrder || s.Repeated != test.repeated {
				t.Errorf("%d repeated, %d out of order; want %d and %d:\n%s",
					s.Repeated, len(s.OutOfOrder), test.repeated, test.outOfOrder, strings.Join(s.OutOfOrder, "\n"))
			}
		})
	}
}

// What is not selected any more, and is again: its name may have been that of others
// meanwhile, of which the sink is told that they are gone, in any order.
func TestOrderOfASelection(t *testing.T) {
	for told, outOfOrder := range map[string]int{
		"A1 ~A5 ~B5 B7":          0,
		"A1 ~A5 ~B5 A1":          1,
		"A1 -A2 B3 A1/g1":        1,
		"A1 ~A5 ~B5 restart B7":  0,
		"A1 ~A5/g1 ~B5/g1 B4/g2": 0,
	} {
		s := replay.New()
		s.Selective = true
		applyTo(t, s, told)
		if len(s.OutOfOrder) != outOfOrder {
			t.Errorf("%s: %d out of order, want %d: %q", told, len(s.OutOfOrder), outOfOrder, s.OutOfOrder)
		}
	}
}

// Versions of a cluster that was built anew under its name start low again.
func TestOrderOfAnotherCluster(t *testing.T) {
	s := replay.New()
	for _, text := range []string{
		line("A90"),
		line("~A91"),
		strings.Replace(line("B2"), `"clusteruid":"cu"`, `"clusteruid":"other"`, 1),
		strings.Replace(line("B1"), `"clusteruid":"cu"`, `"clusteruid":"other"`, 1),
	} {
		e, err := replay.Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		s.Apply(e)
	}
	want := []string{"event 4: c/configmaps/ns/n (B), version 1: after version 2"}
	if diff := cmp.Diff(want, s.OutOfOrder); diff != "" {
		t.Error(diff)
	}
}

func TestHas(t *testing.T) {
	s := apply(t, "A3 A2 restart A1")
	for version, want := range map[string]bool{"2": true, "3": true, "4": false} {
		if s.Has(object("B"), version) != want {
			t.Errorf("version %s: %v, want %v", version, !want, want)
		}
	}
	if replay.New().Has(object("A"), "1") {
		t.Error("has what it was never told of")
	}
	if !apply(t, "A3 ~A5").Has(object("A"), "5") {
		t.Error("has not what was deleted since")
	}
}

func TestRead(t *testing.T) {
	s := replay.New()
	if err := s.Read(strings.NewReader(line("A1") + "\n" + line("A2") + "\n" + line("A3"))); err != nil {
		t.Fatal(err)
	}
	if s.Events != 2 {
		t.Errorf("%d events, want 2: the last line has no end", s.Events)
	}
	if err := s.Read(strings.NewReader("{\n")); err == nil {
		t.Error("no error from what is not JSON")
	}
}

func TestLinesAsTheyCome(t *testing.T) {
	var lines replay.Lines
	var got []string
	for _, piece := range []string{"one\ntw", "", "o\n", "three", "\nfour"} {
		err := lines.Read(strings.NewReader(piece), func(line []byte) error {
			got = append(got, string(line))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"one\n", "two\n", "three\n"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestParse(t *testing.T) {
	grouped := `{"specversion":"1.0","type":"dev.fairlead.resource.deleted.v1","source":"/clusters/c%2Fd","id":"apps/v1/deployments/A%2FB/deleted",` +
		`"cluster":"c/d","name":"n","tombstone":true}`
	e, err := replay.Parse([]byte(grouped))
	if err != nil {
		t.Fatal(err)
	}
	want := replay.Event{
		ID: "apps/v1/deployments/A%2FB/deleted", Deleted: true, Tombstone: true,
		Object: replay.Object{Cluster: "c/d", Resource: "deployments.apps", Name: "n", UID: "A/B"},
	}
	if diff := cmp.Diff(want, e); diff != "" {
		t.Error(diff)
	}

	for name, change := range map[string][2]string{
		"no event of Fairlead's":   {"dev.fairlead.resource.updated.v1", "com.example.updated"},
		"another spec":             {`"1.0"`, `"0.3"`},
		"short id":                 {"/v1/configmaps/A/1", "/v1/configmaps/A"},
		"id of another version":    {"configmaps/A/1", "configmaps/A/2"},
		"id of a deletion":         {"configmaps/A/1", "configmaps/A/deleted"},
		"id of generation 0":       {"configmaps/A/1", "configmaps/A/1/g0"},
		"term of one digit":        {`"specversion"`, `"term":"1","specversion"`},
		"sequence that is none":    {`"specversion"`, `"sequence":"-0000000000000000001","specversion"`},
		"no cluster":               {`"cluster":"c"`, `"cluster":""`},
		"object of another name":   {`"metadata":{"name":"n"`, `"metadata":{"name":"m"`},
		"object of another UID":    {`"uid":"A"`, `"uid":"B"`},
		"another version":          {`"resourceVersion":"1"`, `"resourceVersion":"2"`},
		"another source":           {"/clusters/c", "/clusters/d"},
		"two clusters":             {`"cluster":"c"`, `"cluster":"c","cluster":"c"`},
		"two clusters, one large":  {`"cluster":"c"`, `"cluster":"c","Cluster":"d"`},
		"two events":               {`"specversion"`, `"specversion":"1.0"}{"specversion"`},
		"no UTF-8":                 {`"data":{`, "\"data\":{\"a\":\"\xff\","},
		"object of two names":      {`"metadata":{`, `"metadata":{"name":"m",`},
		"object with a Name":       {`"metadata":{`, `"metadata":{"Name":"n",`},
		"two metadata":             {`"data":{`, `"data":{"metadata":{"namespace":"other"},`},
		"Metadata":                 {`"data":{`, `"data":{"Metadata":{},`},
		"no object":                {`,"data":`, `,"other":`},
		"object that is no object": {`"data":{"metadata"`, `"data":{"metadata":[],"x"`},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(line("A1"), change[0], change[1], 1)
			if text == line("A1") {
				t.Fatal("nothing was changed")
			}
			if e, err := replay.Parse([]byte(text)); err == nil {
				t.Errorf("no error, but %+v", e)
			}
		})
	}
}
