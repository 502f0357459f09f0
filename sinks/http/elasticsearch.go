package httpsink

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"regexp"

	"github.com/fairlead-dev/fairlead/internal/redact"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// indexSyntax is that of an index, or of a data stream's or alias's name. A name that
// Elasticsearch does not take is refused with status 400 for each change.
var indexSyntax = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,254}$`)

// elasticsearch keeps one document for each object that exists. Its version is the
// sequence of the change, so that a late request does not replace a newer state.
func elasticsearch(index string) *wire {
	return &wire{
		path: "/_bulk", contentType: "application/x-ndjson",
		// The answer needs nothing else, and is bounded.
		query: url.Values{"filter_path": {"errors,items.*.status,items.*.error.type"}},
		append: func(dst []byte, c *pipeline.Change) ([]byte, error) {
			action := `{"index":{`
			if c.Op == pipeline.Deleted {
				action = `{"delete":{`
			}
			r := row(append(dst, action...)).text("_index", index).text("_id", document(c))
			if c.Sequence != 0 && c.Sequence <= math.MaxInt64 {
				r = r.number("version", c.Sequence).text("version_type", "external_gte")
			}
			r = append(r, "}}\n"...)
			if c.Op == pipeline.Deleted {
				return r, nil
			}
			r = append(r, '{').members(c).time("@timestamp", c.Observed)
			if c.Object != nil {
				r = appendOneLine(r.name("object"), c.Object)
			}
			return append(r, "}\n"...), nil
		},
		verdict: bulkVerdict,
	}
}

// bulkVerdict reads the answer of the bulk API, which has a status for each change.
func bulkVerdict(answer []byte, changes int) (map[int]error, error) {
	var a struct {
		Items *[]map[string]struct {
			Status int
			Error  json.RawMessage
		}
	}
	if err := json.Unmarshal(answer, &a); err != nil || a.Items == nil {
		return nil, errors.New("the answer is none of the bulk API; check the path of the URL, and what stands in front of the server")
	}
	if len(*a.Items) != changes {
		return nil, fmt.Errorf("the answer tells of %d changes and %d were sent; check the path of the URL, and what stands in front of the server", len(*a.Items), changes)
	}
	var failed map[int]error
	for i, item := range *a.Items {
		if len(item) != 1 {
			return nil, fmt.Errorf("the answer does not tell what became of change %d", i)
		}
		for action, result := range item {
			if action == "delete" && result.Status == 404 {
				continue // it is not there, as it should be
			}
			if err := itemStatus(result.Status, kindOf(result.Error)); err != nil {
				if failed == nil {
					failed = map[int]error{}
				}
				failed[i] = err
			}
		}
	}
	return failed, nil
}

// kindOf returns the type of an error, which holds nothing of the document. Its reason may.
func kindOf(raw json.RawMessage) string {
	var e struct{ Type string }
	if json.Unmarshal(raw, &e) != nil {
		return ""
	}
	return redact.Line(e.Type, 100)
}

// itemStatus says what the status of one change in the answer to many means.
func itemStatus(status int, kind string) error {
	switch {
	case 200 <= status && status < 300, status == 409: // it has a newer one
		return nil
	case status == 400 || status == 413 || status == 422:
		return pipeline.Permanent(fmt.Errorf("the server refuses this change with status %d (%s)", status, kind))
	}
	return fmt.Errorf("the server did not take this change, with status %d (%s)", status, kind)
}
