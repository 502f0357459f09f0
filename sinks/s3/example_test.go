package s3_test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks/s3"
)

// Segments are read in any order. Each event counts once, and those of one object are put
// in the order of term and sequence.
func Example() {
	segments := map[string][]byte{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		segments[r.URL.Path], _ = io.ReadAll(r.Body) // an S3, as far as this example goes
		w.Header().Set("Etag", `"1"`)
	}))
	defer server.Close()
	sink, err := s3.New(s3.Options{Host: strings.TrimPrefix(server.URL, "http://"), Bucket: "audit", Credentials: keys("key", "secret")})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer sink.Close()
	first, second := change("prod", 1), change("prod", 2)
	second.Key, second.UID, second.Op = first.Key, first.UID, pipeline.Deleted
	for _, batch := range [][]*pipeline.Change{{first}, {first, second}} { // the first comes again
		if err := sink.Write(context.Background(), batch); err != nil {
			fmt.Println(err)
		}
	}

	var events []pipeline.Event
	seen := map[string]bool{}
	for _, segment := range segments {
		decoder, err := zstd.NewReader(bytes.NewReader(segment))
		if err != nil {
			fmt.Println(err)
			return
		}
		lines := bufio.NewScanner(decoder)
		lines.Buffer(nil, 64<<20) // an event may have tens of MiB
		for lines.Scan() {
			e, err := pipeline.ParseEvent(lines.Bytes())
			if err != nil {
				fmt.Println(err)
				return
			}
			if id := e.Source + " " + e.ID; !seen[id] {
				seen[id] = true
				events = append(events, e)
			}
		}
		decoder.Close()
	}
	slices.SortFunc(events, func(a, b pipeline.Event) int {
		return cmp.Or(strings.Compare(a.Key().String(), b.Key().String()), cmp.Compare(a.Term, b.Term), cmp.Compare(a.Sequence, b.Sequence))
	})
	fmt.Println(len(segments), "segments")
	for _, e := range events {
		fmt.Println(e.Key(), e.Op())
	}
	// Output:
	// 2 segments
	// prod/configmaps/ns/cm-1 added
	// prod/configmaps/ns/cm-1 deleted
}
