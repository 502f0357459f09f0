package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func TestFrameReader(t *testing.T) {
	long := strings.Repeat("y", ReadBuffer+10)
	whole := "a\n\n  \nbb\r\n" + long + "\n" + long + long + long + "\nc\nlast"
	limit := 2 * ReadBuffer
	want := []string{"a\n", "bb\r\n", long + "\n", "(too long) " + (long + long + long)[:limit], "c\n", "last"}
	broken := errors.New("broken")
	for name, r := range map[string]io.Reader{
		"in one piece":   strings.NewReader(whole),
		"byte by byte":   iotest.OneByteReader(strings.NewReader(whole)),
		"EOF with data":  iotest.DataErrReader(strings.NewReader(whole)),
		"until it fails": io.MultiReader(strings.NewReader(whole+"\npart of a frame"), iotest.ErrReader(broken)),
	} {
		t.Run(name, func(t *testing.T) {
			frames := NewFrameReader(r, new(Spill))
			frames.limit = limit
			want := want
			if name == "until it fails" {
				want = append(want[:5:5], "last\n")
			}
			var got []string
			for {
				line, tooLong, err := frames.Next()
				if err != nil {
					if wantErr := map[bool]error{true: broken, false: io.EOF}[name == "until it fails"]; !errors.Is(err, wantErr) {
						t.Errorf("ended with %v, want %v", err, wantErr)
					}
					break
				}
				text := string(line)
				if tooLong {
					text = "(too long) " + text
				}
				got = append(got, text)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("frames (-want +got):\n%.300s", diff)
			}
		})
	}
}

func TestFrameReaderKeepsNoLargeBuffer(t *testing.T) {
	frames := NewFrameReader(strings.NewReader(strings.Repeat("y", 2*SmallSpill)+"\nshort\n"), new(Spill))
	for range 2 {
		if _, _, err := frames.Next(); err != nil {
			t.Fatal(err)
		}
	}
	if n := cap(frames.spill.b); n > ReadBuffer {
		t.Errorf("%d bytes are kept", n)
	}
}

func readList(r io.Reader, limit int) (items []string, meta ListMeta, err error) {
	list := NewListReader(r, new(Spill))
	list.limit = limit
	for {
		item, tooLong, err := list.Next()
		if errors.Is(err, io.EOF) {
			return items, list.Meta, nil
		}
		if err != nil {
			return items, list.Meta, err
		}
		text := string(item)
		if tooLong {
			text = "(too long) " + text
		}
		items = append(items, text)
	}
}

func TestListReader(t *testing.T) {
	long := strings.Repeat("0123456789", 10)
	for _, test := range []struct {
		in    string
		items []string
		meta  ListMeta
		err   error
	}{
		{in: `{"kind":"L","metadata":{"resourceVersion":"1","continue":"x"},"items":[{"a":"]}\"\\"},{"b":[{}]} , 5,"t",null ]}`, items: []string{`{"a":"]}\"\\"}`, `{"b":[{}]}`, "5", `"t"`, "null"}, meta: ListMeta{"1", "x"}},
		{in: " {\n \"items\" : [ ] ,\n \"metadata\" : { \"resourceVersion\" : \"1\" } } ", meta: ListMeta{"1", ""}},
		{in: `{"items":null,"metadata":{"resourceVersion":"1"}}`, meta: ListMeta{"1", ""}},
		{in: `{"other":{"items":[1],"metadata":{}},"n":12,"items":[{}]}`, items: []string{"{}"}},
		{in: `{"items":["` + long + `",{}]}`, items: []string{`(too long) "` + long[:59], "{}"}},
		{in: `[]`, err: ErrNotJSON},
		{in: `x`, err: ErrNotJSON},
		{in: `{"items" []}`, err: ErrNotJSON},
		{in: `{5:[]}`, err: ErrNotJSON},
		{in: `{"items":[:]}`, err: ErrNotJSON},
		{in: `{"items":[}`, err: ErrNotJSON},
		{in: `{"metadata":7}`, err: ErrNotJSON},
		{in: ``, err: io.ErrUnexpectedEOF},
		{in: `{"items":[{}`, items: []string{"{}"}, err: io.ErrUnexpectedEOF},
		{in: `{"items":[{"a":`, err: io.ErrUnexpectedEOF},
		{in: `{"items":[{}]`, items: []string{"{}"}, err: io.ErrUnexpectedEOF},
	} {
		for _, r := range []io.Reader{strings.NewReader(test.in), iotest.OneByteReader(strings.NewReader(test.in))} {
			items, meta, err := readList(r, 60)
			if !errors.Is(err, test.err) || cmp.Diff(test.items, items) != "" || meta != test.meta {
				t.Errorf("%s:\n got %q, %+v, %v\nwant %q, %+v, %v", test.in, items, meta, err, test.items, test.meta, test.err)
			}
		}
	}
}

// FuzzListReader proves that of every list that encoding/json can read the same
// items and metadata are found, and that nothing makes the reader hang.
func FuzzListReader(f *testing.F) {
	f.Add([]byte(`{"kind":"L","metadata":{"resourceVersion":"1","continue":"x"},"items":[{"a":"]}\"\\"},{"b":[{}]} , 5,"t",null ]}`))
	f.Add([]byte(" {\n \"items\" : [ ] ,\n \"metadata\" : { \"resourceVersion\" : \"1\" } } "))
	f.Add([]byte(`{"items":[{}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		items, meta, err := readList(iotest.OneByteReader(strings.NewReader(string(b))), 1<<20)
		if !json.Valid(b) {
			return
		}
		decoded := rawMembers(b)
		var wantItems []json.RawMessage
		if json.Unmarshal(decoded["items"], &wantItems) != nil {
			return // not a list
		}
		var wantMeta ListMeta
		if raw, ok := decoded["metadata"]; ok && json.Unmarshal(raw, &wantMeta) != nil {
			return
		}
		if strings.Count(string(b), "items")+strings.Count(string(b), `\u`) > 1 || strings.Count(string(b), "metadata") > 1 {
			return // said twice: the reader takes what comes
		}
		want := make([]string, 0, len(wantItems))
		for _, item := range wantItems {
			want = append(want, string(item))
		}
		if err != nil || fmt.Sprintf("%q", items) != fmt.Sprintf("%q", want) || meta != wantMeta {
			t.Errorf("%q:\n got %q, %+v, %v\nwant %q, %+v", b, items, meta, err, want, wantMeta)
		}
	})
}

func BenchmarkListReader(b *testing.B) {
	var page strings.Builder
	page.WriteString(`{"metadata":{"resourceVersion":"1"},"items":[`)
	for n := range 500 {
		if n > 0 {
			page.WriteByte(',')
		}
		page.WriteString(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"settings-` + fmt.Sprint(n) + `","namespace":"default","uid":"u-` + fmt.Sprint(n) + `","resourceVersion":"` + fmt.Sprint(n+1) + `"},"data":{"key":"value"}}`)
	}
	page.WriteString("]}")
	b.ReportAllocs()
	b.SetBytes(int64(page.Len()))
	for b.Loop() {
		list := NewListReader(strings.NewReader(page.String()), new(Spill))
		for {
			if _, _, err := list.Next(); err != nil {
				break
			}
		}
	}
}
