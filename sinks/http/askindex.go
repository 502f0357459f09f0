package httpsink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/fairlead-dev/fairlead/internal/redact"
	"github.com/fairlead-dev/fairlead/sinks"
)

// askIndex returns what asks Elasticsearch and OpenSearch for the rights to an index and for its
// mapping. Both are only good to know: a server, or what stands in front of it, may not let this
// user ask, and OpenSearch has nothing that tells a user's own rights.
func askIndex(index string) func(context.Context, *questions) error {
	return func(ctx context.Context, q *questions) error {
		base, is := strings.CutSuffix(q.pass.url.Path, "/_bulk")
		if !is {
			return nil // what is there is none of both
		}
		rights := askRights(ctx, q, base, index)
		if err := rights.lack(index, "index", "delete"); err != nil {
			return err
		}
		there, err := askMapping(ctx, q, base, index)
		if err == nil && there == notThere {
			if err := rights.lackAll(index, "create_index", "auto_configure"); err != nil {
				return err
			}
			err = fmt.Errorf("there is no index %s: unless a template says how, the server makes it by the first objects, and refuses many of those that follow; create it with a mapping, as docs/sinks/http.md shows", index)
			return sinks.Caution(err)
		}
		return err
	}
}

// at returns the URL of a path behind that of the server.
func (q *questions) at(path string) *url.URL {
	u := *q.pass.url
	u.Path, u.RawPath = path, ""
	if q.s.o.PathFile == "" {
		u.RawQuery = "" // what the bulk API takes
	}
	return &u
}

// rights are the privileges of a user that the server has told of: whether he has them. Nil: it
// has told of none.
type rights struct {
	user string
	has  map[string]bool
}

// askRights asks for the user's own privileges, which every user may:
// https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-security-has-privileges
func askRights(ctx context.Context, q *questions, base, index string) *rights {
	const body = `{"index":[{"names":[%q],"privileges":["index","delete","create_index","auto_configure"]}]}`
	a := q.look(ctx, http.MethodPost, q.at(base+"/_security/user/_has_privileges"), fmt.Sprintf(body, index))
	if a == nil {
		return nil
	}
	var told struct {
		Username string
		Index    map[string]map[string]bool
	}
	if json.Unmarshal(a.body, &told) != nil || told.Index[index] == nil {
		return nil
	}
	return &rights{redact.Line(q.pass.clean.Clean(told.Username), 100), told.Index[index]}
}

// lack returns an error if the user has not all of the privileges.
func (r *rights) lack(index string, names ...string) error {
	if r == nil {
		return nil
	}
	lacking := slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		has, told := r.has[name]
		return has || !told
	})
	if len(lacking) == 0 {
		return nil
	}
	return fmt.Errorf("user %q lacks the privilege %s on index %s; give it a role that has %s there", r.user, strings.Join(lacking, " and "), index, strings.Join(names, " and "))
}

// lackAll returns an error if the user has none of the privileges, any of which will do.
func (r *rights) lackAll(index string, names ...string) error {
	if r == nil || slices.ContainsFunc(names, func(name string) bool {
		has, told := r.has[name]
		return has || !told
	}) {
		return nil
	}
	return fmt.Errorf("there is no index %s, and user %q may not make it; create it, as docs/sinks/http.md shows, or give the user a role that has %s there", index, r.user, names[0])
}

// presence is whether an index is there.
type presence uint8

const (
	notKnown presence = iota
	notThere
	isThere
)

// field is a part of the mapping of an index. Dynamic and Enabled are true, false, or texts.
type field struct {
	Type             string
	Dynamic, Enabled any
	Properties       map[string]field
}

// askMapping asks for the mapping of an index. The error is what is wrong with it, or a caution.
func askMapping(ctx context.Context, q *questions, base, index string) (presence, error) {
	a := q.look(ctx, http.MethodGet, q.at(base+"/"+index+"/_mapping"), "")
	if a == nil {
		return notKnown, nil
	}
	if a.status == http.StatusNotFound {
		var told struct{ Error json.RawMessage }
		if json.Unmarshal(a.body, &told) == nil && kindOf(told.Error) == "index_not_found_exception" {
			return notThere, nil
		}
		return notKnown, nil
	}
	var told map[string]struct{ Mappings *field }
	if json.Unmarshal(a.body, &told) != nil || len(told) != 1 {
		return notKnown, nil //nolint:nilerr // Of an alias of several indices it is not told which is written to.
	}
	for _, one := range told {
		if one.Mappings == nil {
			return notKnown, nil
		}
		return isThere, judgeMapping(index, one.Mappings)
	}
	return notKnown, nil
}

// judgeMapping returns an error if the mapping refuses every change, and a caution if it is
// likely to refuse many.
func judgeMapping(index string, m *field) error {
	const mend = "; map object with \"enabled\": false, as docs/sinks/http.md shows"
	object, mapped := m.Properties["object"]
	switch dynamic := fmt.Sprint(m.Dynamic); {
	case dynamic == "strict":
		for _, name := range append(slices.Clone(rowNames), "@timestamp", "object") {
			if _, known := m.Properties[name]; !known {
				return fmt.Errorf("the mapping of index %s is strict and has no field %s, so that it refuses every document; add the fields of docs/sinks/http.md, or set dynamic to false", index, name)
			}
		}
	case !mapped && dynamic != "false" && dynamic != "runtime":
		return sinks.Caution(errors.New("the mapping of index " + index + " has no field object: the server makes one by the first objects, and refuses many of those that follow" + mend))
	}
	opaque := object.Type != "" && object.Type != "object" && object.Type != "nested" // flattened, flat_object
	own := fmt.Sprint(object.Dynamic)
	if object.Dynamic == nil {
		own = fmt.Sprint(m.Dynamic)
	}
	if mapped && !opaque && fmt.Sprint(object.Enabled) != "false" && own != "false" && own != "runtime" {
		return sinks.Caution(errors.New("the mapping of index " + index + " has fields for what is within object, and refuses objects that do not fit" + mend))
	}
	return nil
}
