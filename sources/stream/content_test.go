package stream

import (
	"cmp"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/go-logr/logr/funcr"

	"github.com/fairlead-dev/fairlead/internal/jsontext"
	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/pipeline/budget"
	"github.com/fairlead-dev/fairlead/pipeline/selection"
	"github.com/fairlead-dev/fairlead/sources/member"
	"github.com/fairlead-dev/fairlead/sources/stream/wire"
)

func TestFrames(t *testing.T) {
	huge := strings.Repeat("x", wire.MaxFrame)
	hugeEvent := func(kind string) string {
		return `{"type":"` + kind + `","object":{"metadata":{"name":"h","uid":"uid-h","resourceVersion":"12"},"data":"` + huge + `"}}`
	}
	for _, test := range []struct {
		name     string
		frames   []string
		want     []string
		rejected string
		state    member.State
		next     string
	}{
		{name: "not JSON", frames: []string{"{]"}, rejected: "not_json", state: member.BackingOff, next: "watch from 11"},
		{name: "cut in the middle", frames: []string{event("ADDED", "d", 12), "", "cut:" + event("ADDED", "e", 13)[:50]}, want: []string{"added d uid-d@12"}, state: member.BackingOff, next: "watch from 12"},
		{name: "no line feed at the end", frames: []string{"cut:" + event("ADDED", "d", 12)}, want: []string{"added d uid-d@12"}, state: member.BackingOff, next: "watch from 12"},
		{name: "unknown type", frames: []string{event("RENAMED", "a", 12), event("ADDED", "d", 13)}, want: []string{"added d uid-d@13"}, rejected: "unknown_type", state: member.Live},
		{name: "no type", frames: []string{`{}`, `5`, event("ADDED", "d", 13)}, want: []string{"added d uid-d@13"}, rejected: "unknown_type", state: member.Live},
		{name: "no name", frames: []string{`{"type":"ADDED","object":{"metadata":{"resourceVersion":"12"}}}`, event("ADDED", "d", 13)}, want: []string{"added d uid-d@13"}, rejected: "no_identity", state: member.Live},
		{name: "no version", frames: []string{`{"type":"ADDED","object":{"metadata":{"name":"x"}}}`}, rejected: "no_identity", state: member.Live},
		{name: "a name without end", frames: []string{event("ADDED", strings.Repeat("n", wire.MaxName+1), 12)}, rejected: "no_identity", state: member.Live},
		{name: "a bookmark without a version", frames: []string{`{"type":"BOOKMARK","object":{"metadata":{}}}`}, rejected: "bookmark_without_version", state: member.Live},
		{name: "oversized", frames: []string{hugeEvent("ADDED"), event("ADDED", "d", 13)}, want: []string{"added h uid-h@12", "added d uid-d@13"}, rejected: "oversized", state: member.Live},
		{name: "oversized deletion", frames: []string{hugeEvent("DELETED"), event("ADDED", "d", 13)}, want: []string{"deleted h uid-h@12", "added d uid-d@13"}, rejected: "oversized", state: member.Live},
		{name: "oversized without identity", frames: []string{`{"type":"ADDED","object":{"data":"` + huge + `"}}`, event("ADDED", "d", 13)}, want: []string{"added d uid-d@13"}, rejected: "oversized", state: member.Live},
		{name: "oversized garbage", frames: []string{huge, event("ADDED", "d", 13)}, want: []string{"added d uid-d@13"}, rejected: "oversized", state: member.Live},
		{name: "a key twice", frames: []string{twoKeys(`"kind":"ConfigMap"`), event("ADDED", "d", 13)}, want: []string{"added d uid-d@13"}, rejected: "ambiguous", state: member.Live},
		{name: "a key of the metadata twice", frames: []string{twoKeys(`"uid":"uid-x"`), event("ADDED", "d", 13)}, want: []string{"added d uid-d@13"}, rejected: "ambiguous", state: member.Live},
		{name: "a key twice, once escaped", frames: []string{twoKeys(`"n\u0061me":"x"`)}, rejected: "ambiguous", state: member.Live},
		{name: "a key in capitals in the metadata", frames: []string{twoKeys(`"Namespace":"x"`)}, rejected: "ambiguous", state: member.Live},
		{name: "two objects", frames: []string{`{"type":"ADDED","object":` + configMap("x", 12) + `,"object":` + configMap("y", 12) + `}`}, rejected: "ambiguous", state: member.Live},
		{name: "two types", frames: []string{`{"type":"ADDED","type":"DELETED","object":` + configMap("x", 12) + `}`}, rejected: "ambiguous", state: member.Live},
		{name: "two frames in one line", frames: []string{event("ADDED", "x", 12) + event("ADDED", "y", 12)}, rejected: "not_json", state: member.BackingOff, next: "watch from 11"},
		{name: "another kind", frames: []string{strings.Replace(event("ADDED", "x", 12), "ConfigMap", "Secret", 1), event("ADDED", "d", 13)}, want: []string{"added d uid-d@13"}, rejected: "foreign", state: member.Live},
		{name: "a kind that is no string", frames: []string{strings.Replace(event("ADDED", "x", 12), `"ConfigMap"`, "5", 1)}, rejected: "foreign", state: member.Live},
		{name: "another version", frames: []string{strings.Replace(event("ADDED", "x", 12), `"apiVersion":"v1"`, `"apiVersion":"v2"`, 1)}, rejected: "foreign", state: member.Live},
		{name: "another group", frames: []string{strings.Replace(event("ADDED", "x", 12), `"apiVersion":"v1"`, `"apiVersion":"apps/v1"`, 1)}, rejected: "foreign", state: member.Live},
		{name: "a version with a slash too many", frames: []string{strings.Replace(event("ADDED", "x", 12), `"apiVersion":"v1"`, `"apiVersion":"/v1"`, 1)}, rejected: "foreign", state: member.Live},
		{name: "metadata nobody asked for", frames: []string{strings.Replace(strings.Replace(event("ADDED", "x", 12), "ConfigMap", wire.PartialKind, 1), `"v1"`, `"meta.k8s.io/v1"`, 1)}, rejected: "foreign", state: member.Live},
		{name: "without kind", frames: []string{`{"type":"ADDED","object":{"apiVersion":"v1","metadata":{"name":"d","uid":"uid-d","resourceVersion":"13"}}}`}, want: []string{"added d uid-d@13"}, state: member.Live},
		{name: "metadata not in UTF-8", frames: []string{twoKeys("\"labels\":{\"a\":\"\xff\"}"), event("ADDED", "d", 13)}, want: []string{"added d uid-d@13"}, rejected: "not_portable", state: member.Live},
		{name: "a name with half a surrogate pair", frames: []string{strings.Replace(event("ADDED", "x", 12), `"x"`, `"\ud800"`, 1)}, rejected: "not_portable", state: member.Live},
		{name: "a version that ends ids of deletions", frames: []string{strings.Replace(event("ADDED", "x", 12), `"12"`, `"deleted"`, 1)}, rejected: "no_identity", state: member.Live},
		{name: "a bookmark with two versions", frames: []string{strings.Replace(mark("12"), `"resourceVersion"`, `"resourceVersion":"5","resourceVersion"`, 1)}, rejected: "bookmark_without_version", state: member.Live},
		{name: "a bookmark with a long version", frames: []string{mark(strings.Repeat("1", wire.MaxShort+1))}, rejected: "bookmark_without_version", state: member.Live},
		{name: "beyond ASCII", frames: []string{strings.Replace(event("ADDED", "d", 13), `"k":"v"`, `"k":"v\ud83d\ude00 é 名前","n":[1e3,1.5]`, 1)}, want: []string{"added d uid-d@13"}, state: member.Live},
		{name: "blank lines", frames: []string{"", "  ", event("ADDED", "d", 13)}, want: []string{"added d uid-d@13"}, state: member.Live},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := start(t)
				body := h.live()
				body.send(mark("11"))
				for _, frame := range test.frames {
					if cut, ok := strings.CutPrefix(frame, "cut:"); ok {
						body.write(cut)
						body.end()
					} else {
						body.send(frame)
					}
				}
				h.want(false, test.want...)
				s := h.wantState(test.state)
				if test.rejected == "" {
					if len(s.Rejected) != 0 {
						t.Errorf("rejected: %v", s.Rejected)
					}
				} else if s.Rejected[test.rejected] == 0 || len(s.Rejected) != 1 || s.LastError == "" {
					t.Errorf("rejected: %v, last error %q", s.Rejected, s.LastError)
				}
				if test.next != "" {
					h.call(test.next)
				}
			})
		})
	}
}

// twoKeys is a frame that has a member of the metadata, or of the object if it is
// its kind, a second time.
func twoKeys(member string) string {
	frame := event("ADDED", "x", 12)
	if strings.HasPrefix(member, `"kind"`) {
		return strings.Replace(frame, `"object":{`, `"object":{`+member+`,`, 1)
	}
	return strings.Replace(frame, `"metadata":{`, `"metadata":{`+member+`,`, 1)
}

// TestWhatDecodersReadDifferentlyStays has objects whose metadata are clear and
// whose rest is not: anybody who may write objects in a member can make some.
// Their metadata are followed, in snapshots, too.
func TestWhatDecodersReadDifferentlyStays(t *testing.T) {
	deep := strings.Repeat("[", jsontext.MaxDepth) + strings.Repeat("]", jsontext.MaxDepth)
	many := `"x":1`
	for i := range wire.MaxKeys + 1 {
		many += fmt.Sprintf(`,"x%d":1`, i)
	}
	for name, test := range map[string]struct{ member, why string }{
		"not in UTF-8":            {"\"x\":\"\xff\xfe\"", "not_portable"},
		"half a surrogate pair":   {`"x":["\ud800"]`, "not_portable"},
		"a number beyond float64": {`"x":1e999`, "not_portable"},
		"5000 digits":             {`"x":` + strings.Repeat("1", 5000), "not_portable"},
		"deep":                    {`"x":` + deep, "not_portable"},
		"Metadata":                {`"Metadata":{"name":"other"}`, "ambiguous"},
		"KIND":                    {`"KIND":"Secret"`, "ambiguous"},
		"kind with another k":     {`"\u212aind":"Secret"`, "ambiguous"},
		"thousands of members":    {many, "ambiguous"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := start(t)
				odd := func(object string) string { return strings.Replace(object, `"metadata"`, test.member+`,"metadata"`, 1) }
				h.call("streaming list").reply(422, status(422, "Invalid", ""))
				h.call("list by 500").reply(200, listOf(10, "", odd(configMap("a", 1)), configMap("b", 2)))
				body := h.call("watch from 10").open()
				body.send(odd(event("MODIFIED", "a", 11)))
				synctest.Wait()
				for _, version := range []string{"1", "", "11"} {
					c := <-h.queue.changes
					if version == "" {
						continue // of b
					}
					want := wire.MetadataOnly + `{"name":"a","namespace":"ns","uid":"uid-a","resourceVersion":"` + version + `"}}`
					if string(c.Object) != want {
						t.Errorf("object is %.300s, want %s", c.Object, want)
					}
				}
				if s := h.wantState(member.Live); s.Rejected[test.why] != 2 || len(s.Rejected) != 1 || !strings.Contains(s.LastError, "alone") {
					t.Errorf("rejected: %v, %s", s.Rejected, s.LastError)
				}
			})
		})
	}
}

func TestOtherNamespacesAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, func(o *Options) { o.Spec.Namespace = "ns" })
		body := h.live()
		body.send(strings.Replace(event("MODIFIED", "a", 11), `"ns"`, `"other"`, 1), strings.Replace(event("MODIFIED", "a", 12), `"namespace":"ns",`, "", 1))
		body.send(event("MODIFIED", "a", 13))
		h.want(false, "updated a uid-a@13")
		if s := h.wantState(member.Live); s.Rejected["foreign"] != 2 || s.LastRejected.IsZero() {
			t.Errorf("rejected: %v", s.Rejected)
		}
	})
}

func TestOversizedObjectKeepsItsMetadata(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		body := h.live()
		body.send(`{"type":"ADDED","object":{"kind":"ConfigMap","metadata":{"name":"h","resourceVersion":"12"},"data":"` + strings.Repeat("x", wire.MaxFrame) + `"}}`)
		c := <-h.queue.changes
		if want := wire.MetadataOnly + `{"name":"h","resourceVersion":"12"}}`; string(c.Object) != want {
			t.Errorf("object is %.200s, want %s", c.Object, want)
		}
	})
}

// An object that cannot be told must not be taken for one that is gone.
func TestUnreadableObjectInSnapshotSweepsNothing(t *testing.T) {
	huge := `{"data":"` + strings.Repeat("x", wire.MaxFrame) + `","metadata":{"name":"a","resourceVersion":"20"}}`
	for name, object := range map[string]string{
		"oversized":               huge,
		"without a name":          `{"metadata":{"resourceVersion":"20"}}`,
		"of two names":            `{"metadata":{"name":"a","name":"b","resourceVersion":"20"}}`,
		"of another kind":         `{"kind":"Secret","apiVersion":"v1","metadata":{"name":"a","resourceVersion":"20"}}`,
		"with a name in no UTF-8": "{\"metadata\":{\"name\":\"a\xff\",\"resourceVersion\":\"20\"}}",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := start(t)
				body := h.live()
				age()
				body.end()
				h.call("watch from 10").reply(410, status(410, "Expired", ""))
				body = h.call("streaming list").open()
				body.send(`{"type":"ADDED","object":` + object + `}`)
				body.send(event("ADDED", "b", 2), endMark("30"))
				h.want(false)
				s := h.wantState(member.BackingOff)
				if s.Tombstones != 0 || s.Reconnects["malformed"] != 1 {
					t.Errorf("status: %+v", s)
				}
				h.call("streaming list").reply(422, status(422, "Invalid", ""))
				h.call("list by 500").reply(200, `{"metadata":{"resourceVersion":"30"},"items":[`+object+`]}`)
				h.want(false)
				h.wantState(member.BackingOff)
			})
		})
	}
}

func TestListsThatAreNone(t *testing.T) {
	for name, answer := range map[string]string{
		"HTML":                  "<html>",
		"nothing":               "",
		"cut short":             `{"metadata":{"resourceVersion":"10"},"items":[` + configMap("a", 1) + `,`,
		"without a version":     `{"metadata":{},"items":[` + configMap("a", 1) + `]}`,
		"an item is no JSON":    `{"metadata":{"resourceVersion":"10"},"items":[` + configMap("a", 1) + `,{"metadata":nul}]}`,
		"metadata is no object": `{"metadata":"x","items":[` + configMap("a", 1) + `]}`,
		"two metadata":          `{"metadata":{"resourceVersion":"10"},"items":[],"metadata":{"resourceVersion":"11"}}`,
		"items twice":           `{"metadata":{"resourceVersion":"10"},"items":[],"items":[]}`,
		"a long version":        `{"metadata":{"resourceVersion":"` + strings.Repeat("1", wire.MaxShort+1) + `"},"items":[]}`,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := start(t)
				h.call("streaming list").reply(422, status(422, "Invalid", ""))
				h.call("list by 500").reply(200, answer)
				s := h.wantState(member.BackingOff)
				if s.Reconnects["malformed"]+s.Reconnects["network"] != 1 {
					t.Errorf("status: %+v", s)
				}
				h.call("streaming list") // pages are no better
			})
		})
	}
}

func TestVersionsThatWentBackwards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		body := h.live()
		body.send(event("MODIFIED", "a", 100))
		h.want(true, "updated a uid-a@100")
		age()
		body.send(mark("50")) // restored from a backup
		body = h.call("streaming list").open()
		body.send(event("ADDED", "a", 1), endMark("50"))
		h.want(true, "updated a uid-a@1 snapshot", "deleted b uid-b@50 snapshot tombstone nothing")
		if s := h.wantState(member.Live); s.Snapshots["backwards"] != 1 || s.Reconnects["backwards"] != 1 {
			t.Errorf("status: %+v", s)
		}
	})
}

func TestVersionThatTheServerDoesNotKnowYet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		body := h.live()
		age()
		body.end()
		tooNew := `{"kind":"Status","status":"Failure","reason":"Timeout","code":504,"message":"Too large resource version",` +
			`"details":{"causes":[{"reason":"ResourceVersionTooLarge"}],"retryAfterSeconds":1}}`
		// A replica lags behind; its etcd does not.
		for range tooNewAttempts + 3 {
			h.call("watch from 10").reply(504, tooNew)
			h.call("list by 1").reply(200, listOf(11, "more", configMap("a", 1)))
		}
		h.call("watch from 10").reply(504, tooNew)
		h.call("list by 1").reply(200, listOf(9, "more", configMap("a", 1)))
		h.call("streaming list").open().send(endMark("9"))
		if s := h.wantState(member.Live); s.Snapshots["too_new"] != 1 || s.Reconnects["too_new"] != tooNewAttempts+4 {
			t.Errorf("status: %+v", s)
		}
	})
}

// A watch from such a version would be accepted, and silent.
func TestVersionIsAskedFor(t *testing.T) {
	tooNew := `{"kind":"Status","status":"Failure","reason":"Timeout","code":504,"details":{"causes":[{"reason":"ResourceVersionTooLarge"}]}}`
	for _, test := range []struct {
		namespace string
		mayGet    bool
	}{{"", true}, {"ns", true}, {"", false}, {"ns", false}} {
		synctest.Test(t, func(t *testing.T) {
			namespace := cmp.Or(test.namespace, "default")
			h := start(t, func(o *Options) { o.Spec.Namespace = test.namespace })
			body := h.live()
			age()
			question := "/api/v1/namespaces/" + namespace + "/configmaps/" + noSuchObject + "?resourceVersion=10"
			h.server.fail(question, 504, tooNew)
			if !test.mayGet {
				h.server.fail(question, 403, status(403, "Forbidden", ""))
			}
			body.end()
			for range tooNewAttempts + 1 { // it does not tell what it has
				if !test.mayGet {
					list := h.call("list by ")
					if q := list.query(); list.URL.Path != "/api/v1/namespaces/"+namespace+"/configmaps" || q.Get("resourceVersion") != "10" ||
						q.Get("resourceVersionMatch") != "NotOlderThan" || q.Get("fieldSelector") != "metadata.name="+noSuchObject {
						t.Errorf("asked for %s", list.URL)
					}
					list.reply(504, tooNew)
				}
				h.call("list by 1").reply(403, status(403, "Forbidden", ""))
			}
			h.call("streaming list").open().send(event("ADDED", "a", 1), endMark("5"))
			h.want(true, "deleted b uid-b@5 snapshot tombstone nothing")
			if s := h.wantState(member.Live); s.Snapshots["too_new"] != 1 {
				t.Errorf("status: %+v", s)
			}
		})
	}
}

func TestMetadataMode(t *testing.T) {
	full := `{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a","uid":"u","resourceVersion":"1"},"data":{"k":"v"}}`
	synctest.Test(t, func(t *testing.T) {
		h := start(t, func(o *Options) { o.Spec.Metadata = true })
		call := h.call("streaming list")
		if accept := call.Header.Get("Accept"); !strings.HasPrefix(accept, "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1") {
			t.Errorf("Accept: %s", accept)
		}
		call.open().send(`{"type":"ADDED","object":` + full + `}`) // a server that does not know how
		c := <-h.queue.changes
		if want := wire.MetadataOnly + `{"name":"a","uid":"u","resourceVersion":"1"}}`; string(c.Object) != want || c.Origin.Kind != "ConfigMap" {
			t.Errorf("object is %s of kind %s", c.Object, c.Origin.Kind)
		}
	})
}

func TestSecretValuesStayWithTheMember(t *testing.T) {
	secret := `{"kind":"Secret","apiVersion":"v1","metadata":{"name":"a","uid":"u","resourceVersion":"1","annotations":` +
		`{"kubectl.kubernetes.io/last-applied-configuration":"{\"data\":{\"password\":\"aHVudGVyMg==\"}}","keep":"this"}},"data":{"password":"aHVudGVyMg=="}}`
	for _, allowed := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			h := start(t, func(o *Options) { o.Spec.Resource, o.Config.SecretValues = "secret", allowed })
			call := h.call("streaming list")
			if partly := strings.Contains(call.Header.Get("Accept"), "PartialObjectMetadata"); partly == allowed {
				t.Errorf("Accept: %s", call.Header.Get("Accept"))
			}
			call.open().send(`{"type":"ADDED","object":` + secret + `}`)
			c := <-h.queue.changes
			if got := strings.Contains(string(c.Object), "aHVudGVyMg"); got != allowed || !strings.Contains(string(c.Object), "keep") {
				t.Errorf("object is %s", c.Object)
			}
		})
	}
}

// What is copied of a Secret is encoded anew, for which it takes room for the worst. It
// keeps what it takes: for each route that delivers it, and once where they share it.
func TestSecretKeepsMemoryOfItsSize(t *testing.T) {
	for _, routes := range []int{1, 2} {
		synctest.Test(t, func(t *testing.T) {
			memory := budget.New(0, routes, MostReading)
			h := start(t, func(o *Options) {
				o.Spec.Resource = "secret"
				o.Routes[0].Memory = memory.Route()
				if routes > 1 {
					o.Routes = append(o.Routes, Route{Name: "b", Queue: o.Routes[0].Queue, Memory: memory.Route()})
				}
			})
			for _, size := range []int{10, 100 << 10} {
				secret := fmt.Sprintf(`{"kind":"Secret","apiVersion":"v1","metadata":{"name":"a-%[1]d","namespace":"ns","uid":"u-%[1]d","resourceVersion":"%[1]d","annotations":{"k":%[2]q}}}`,
					size, strings.Repeat("x", size))
				call := h.call("streaming list")
				body := call.open()
				body.send(`{"type":"ADDED","object":` + secret + `}`)
				synctest.Wait()
				var want int64
				var changes []*pipeline.Change
				for range routes {
					c := <-h.queue.changes
					changes = append(changes, c)
					want += pipeline.ChangeOverhead
				}
				want += int64(cap(changes[0].Object))
				if s := memory.Stats(); s.Held != want || s.Reading != 0 {
					t.Errorf("%d routes: %d bytes are held for a Secret, want %d: %+v", routes, s.Held, want, s)
				}
				for _, c := range changes {
					c.Release()
				}
				if s := memory.Stats(); s.Held != 0 {
					t.Errorf("left is %+v", s)
				}
				body.end()
			}
		})
	}
}

// The log says once that rules need more than is ever read.
func TestRulesThatMetadataCannotAnswer(t *testing.T) {
	for where, want := range map[string]int{"*: object.data.x == 'y'": 1, "*: object.metadata.name == 'y'": 0} {
		synctest.Test(t, func(t *testing.T) {
			rules, err := selection.Parse(selection.Texts{Where: []string{where}}, selection.ParseOptions{})
			if err != nil {
				t.Fatal(err)
			}
			var logged atomic.Int32
			h := start(t, func(o *Options) {
				o.Spec.Metadata, o.Rules = true, rules
				o.Log = funcr.New(func(_, args string) {
					if strings.Contains(args, "need more of objects") {
						logged.Add(1)
					}
				}, funcr.Options{})
			})
			for range 2 {
				h.call("streaming list").open()
				synctest.Wait()
				h.conn.renew(t, "cluster-1") // another session
			}
			if got := int(logged.Load()); got != want {
				t.Errorf("%s: logged %d times, want %d", where, got, want)
			}
		})
	}
}

// What is wrong with the newest state of an object is told until another state comes, or the
// object is gone, for however long that is.
func TestWhatIsAmissIsToldAsLongAsItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, func(o *Options) {
			o.Routes[0].Rules = rulesOf(t, selection.Texts{Where: []string{"configmaps: object.data.k == 'v'"}})
		})
		want := func(reduced, failing int) {
			t.Helper()
			if s := h.wantState(member.Live); s.Reduced != reduced || s.Routes[0].FilterFailing != failing {
				t.Errorf("%d objects are reduced, and a filter fails on %d; want %d and %d", s.Reduced, s.Routes[0].FilterFailing, reduced, failing)
			}
		}
		body := h.live()
		without := func(name string, version int) string {
			return strings.Replace(event("MODIFIED", name, version), `"data":{"k":"v"}`, `"data":{}`, 1)
		}
		huge := strings.Replace(event("ADDED", "h", 23), `"v"`, `"`+strings.Repeat("x", wire.MaxFrame)+`"`, 1)
		body.send(without("a", 21), without("b", 22), huge)
		h.want(false, "updated a uid-a@21", "updated b uid-b@22", "added h uid-h@23")
		want(1, 3)
		body.send(event("MODIFIED", "a", 24), event("DELETED", "b", 25))
		h.want(false, "updated a uid-a@24", "deleted b uid-b@25")
		want(1, 1)
		body.send(event("MODIFIED", "h", 26))
		h.want(false, "updated h uid-h@26")
		want(0, 0)
	})
}
