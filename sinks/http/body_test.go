package httpsink

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/fairlead-dev/fairlead/internal/jsontext"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// A body is read as if its objects had been copied into it, whatever the pieces.
func TestBodyIsReadAsAWhole(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	random := func() []byte {
		text := make([]byte, 1+r.IntN(40))
		for i := range text {
			text[i] = "abc\n\r\""[r.IntN(6)]
		}
		return text
	}
	for range 500 {
		d := newDraft().(*draft)
		var want []byte
		for range r.IntN(8) {
			if text := random(); r.IntN(2) == 0 {
				d.body = append(d.body, text...)
				want = append(want, text...)
			} else {
				d.inset(text)
				want = jsontext.AppendOneLine(want, text)
			}
			if before := d.end(); r.IntN(4) == 0 { // what is cut leaves nothing
				d.body = append(d.body, "more"...)
				d.inset(random())
				d.cut(before)
			}
		}
		if d.size() != len(want) {
			t.Fatalf("%d bytes, want %d", d.size(), len(want))
		}
		body := d.open()
		if err := iotest.TestReader(body.reader(), want); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(iotest.OneByteReader(body.reader())); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%q, %v; want %q", got, err, want)
		}
	}
}

// Once a body is over nothing of it is read, unless it has been read to its end.
func TestBodyThatIsOver(t *testing.T) {
	d := newDraft().(*draft)
	d.inset([]byte("object"))
	body := d.open()
	begun, done := body.reader(), body.reader()
	if _, err := io.ReadFull(begun, make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(done, make([]byte, 6)); err != nil {
		t.Fatal(err)
	}
	body.end()
	if n, err := begun.Read(make([]byte, 3)); n != 0 || !errors.Is(err, errOver) {
		t.Errorf("%d bytes, %v", n, err)
	}
	if n, err := done.Read(make([]byte, 3)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("at its end: %d bytes, %v", n, err)
	}
}

// A draft that is kept for another request keeps no object.
func TestDraftsKeepNoObjects(t *testing.T) {
	d := newDraft().(*draft)
	d.inset([]byte("object"))
	d.cut(mark{})
	if all := d.insets[:1]; all[0].object != nil || d.size() != 0 {
		t.Errorf("%d bytes, and %q", d.size(), all[0].object)
	}
}

// What arrives is what the format appends, however large the objects are.
func TestLargeBodiesArriveAsTheyAre(t *testing.T) {
	var (
		mu    sync.Mutex
		texts []string
	)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		if err != nil || r.ContentLength != int64(len(text)) {
			t.Errorf("%d bytes of %d: %v", len(text), r.ContentLength, err)
		}
		mu.Lock()
		defer mu.Unlock()
		texts = append(texts, string(text))
	}))
	t.Cleanup(server.Close)
	var batch []*pipeline.Change
	for i, size := range []int{10, 3000, 60_000, 511, 512, 0, 200_000, 3000} {
		c := change(string(rune('a' + i)))
		c.Observed = time.Unix(1e9, 0)
		c.Object = []byte("{\n\t\"k\": \"" + strings.Repeat("x", size) + "\"\r\n}\n")
		if size == 0 {
			c.Op, c.Object = pipeline.Deleted, nil
		}
		batch = append(batch, c)
	}
	for _, format := range []Format{Structured, Batch, Splunk, Loki} {
		sink, err := New(Options{URL: server.URL, Format: format, Connections: 1})
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		if sink.wire.single {
			for _, c := range batch {
				text, err := sink.wire.append(nil, c)
				if err != nil {
					t.Fatal(err)
				}
				want = append(want, string(text))
			}
		} else {
			text := []byte(sink.wire.open)
			for i, c := range batch {
				if i > 0 {
					text = append(text, sink.wire.between...)
				}
				if text, err = sink.wire.append(text, c); err != nil {
					t.Fatal(err)
				}
			}
			want = []string{string(append(text, sink.wire.end...))}
		}
		for range 2 {
			texts = nil
			if err := sink.Write(t.Context(), batch); err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(texts, "|"); got != strings.Join(want, "|") {
				t.Errorf("%s: %d bytes arrive, want %d", format, len(got), len(strings.Join(want, "|")))
			}
		}
		if err := sink.Close(); err != nil {
			t.Error(err)
		}
	}
}
