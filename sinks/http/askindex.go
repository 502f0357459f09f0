package httpsink

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/fairlead-dev/fairlead/internal/redact"
	"github.com/fairlead-dev/fairlead/sinks"
)

// askIndex returns what asks Elasticsearch and OpenSearch for the rights to an index and for its
// mapping, after a bulk request without actions, which they refuse after a look at who asks. The
// rights and the mapping are only good to know: a server, or what stands in front of it, may not
// let this user ask, and OpenSearch has nothing that tells a user's own rights. Of a server that
// does not refuse such a request as they do, nothing more is asked.
func askIndex(index string) func(context.Context, *questions) error {
	return func(ctx context.Context, q *questions) error {
		a, err := q.post(ctx, "")
		if err != nil {
			return err
		}
		base, is := strings.CutSuffix(q.pass.url.Path, "/_bulk")
		if !is || !refusesBulk(a) {
			return nil // it is none of both
		}
		var rights *rights
		if a.header.Get("X-Elastic-Product") == "Elasticsearch" { // since 7.14
			rights = askRights(ctx, q, base, index)
		}
		if err := rights.lack(index, "index", "delete"); err != nil {
			return err
		}
		if rights.none("view_index_metadata") {
			return nil // he may not ask for the mapping, and does not need to
		}
		there, err := askMapping(ctx, q, base, index)
		if err == nil && there == notThere {
			if rights.none("create_index", "auto_configure") {
				return fmt.Errorf("there is no index %s, and user %q may not make it; create it, as docs/sinks/http.md shows, or give the user a role that has create_index there", index, rights.user)
			}
			err = fmt.Errorf("there is no index %s: unless a template says how, the server makes it by the first objects, and refuses many of those that follow; create it with a mapping, as docs/sinks/http.md shows", index)
			return sinks.Caution(err)
		}
		return err
	}
}

// refusesBulk reports whether an answer is that of the bulk API to a request without actions.
func refusesBulk(a *answer) bool {
	var told struct{ Error json.RawMessage }
	return a.status == http.StatusBadRequest && json.Unmarshal(a.body, &told) == nil && kindOf(told.Error) != ""
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
	const body = `{"index":[{"names":[%q],"privileges":["index","delete","create_index","auto_configure","view_index_metadata"]}]}`
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

// none reports whether the server has told that the user has none of the privileges.
func (r *rights) none(names ...string) bool {
	return r != nil && !slices.ContainsFunc(names, func(name string) bool {
		has, told := r.has[name]
		return has || !told
	})
}

// presence is whether an index is there.
type presence uint8

const (
	notKnown presence = iota
	notThere
	isThere
)

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
	var told map[string]struct{ Mappings *mapping }
	if json.Unmarshal(a.body, &told) != nil || len(told) != 1 {
		return notKnown, nil //nolint:nilerr // Of an alias of several indices it is not told which is written to.
	}
	for _, one := range told {
		if one.Mappings == nil {
			return notKnown, nil
		}
		return isThere, one.Mappings.judge(index)
	}
	return notKnown, nil
}
