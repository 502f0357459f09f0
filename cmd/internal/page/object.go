package page

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

const (
	mostAsked = 1 << 10          // bytes of a parameter
	mostTime  = 10 * time.Second // for an explanation
	// mostFields and deepest bound what is shown of one.
	mostFields, deepest = 500, 8
)

// object says why one object is where it is.
func (p *Page) object(s *snapshot, r *http.Request) answer {
	q := r.URL.Query()
	of := asked{Cluster: q.Get("cluster"), Resource: q.Get("resource"), Namespace: q.Get("namespace"), Name: q.Get("name")}
	a := answer{code: http.StatusOK, title: "Object", template: "object", data: objectData{Asked: of}, json: of,
		command: "kubectl fairlead explain CLUSTER RESOURCE/NAME"}
	for _, v := range []string{of.Cluster, of.Resource, of.Namespace, of.Name} {
		if len(v) > mostAsked {
			return failure(http.StatusBadRequest, "Object", fmt.Sprintf("a parameter is longer than %d bytes", mostAsked))
		}
		if !printable(v) {
			return failure(http.StatusBadRequest, "Object", "a parameter holds something that cannot be seen")
		}
	}
	if of.Name == "" {
		return a // what is given stands in the form
	}
	if of.Cluster == "" || of.Resource == "" {
		return failure(http.StatusBadRequest, "Object", "which object? Give cluster, resource and name, and the namespace of an object that has one")
	}
	a.title = short(of.Resource + "/" + of.Name)
	// What a link says is not what its reader would run: only clusters that there are make a
	// command.
	a.command = ""
	if s.find(of.Cluster) != nil {
		a.command = "kubectl fairlead explain"
		if of.Namespace != "" {
			a.command += " --namespace=" + quoted(visible(of.Namespace, mostText))
		}
		a.command += arguments(of.Cluster, of.Resource+"/"+of.Name)
	}
	if p.opts.Explain == nil {
		if s.find(of.Cluster) == nil {
			return failure(http.StatusNotFound, "Object", "there is no cluster "+visible(of.Cluster, 100), "/status/clusters")
		}
		return a
	}
	ctx, cancel := context.WithTimeout(r.Context(), mostTime)
	defer cancel()
	code, said := p.opts.Explain(r.WithContext(ctx))
	if wrong, ok := said.(api.Error); ok {
		return failure(code, a.title, visible(wrong.Error, mostText))
	}
	a.code, a.json = code, said
	a.data = objectData{Asked: of, Answered: true, said: said}
	return a
}

// asked is the object that somebody asks for.
type asked struct {
	Cluster   string `json:"cluster"`
	Resource  string `json:"resource"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
}

type objectData struct {
	Asked    asked
	Answered bool
	said     any
}

// Fields lists what has been said. It is for the template: the answer is made before its turn,
// and this is work.
func (o objectData) Fields() []field { return fieldsOf(o.said) }

// field is one value of an explanation, with how deep it lies in it.
type field struct {
	Depth       int
	Name, Value string
}

// fieldsOf lists what an answer's JSON holds, in its order.
func fieldsOf(answer any) (fields []field) {
	encoded, err := json.Marshal(answer)
	if err != nil {
		return []field{{Name: "error", Value: err.Error()}}
	}
	d := json.NewDecoder(strings.NewReader(string(encoded)))
	d.UseNumber()
	_ = walk(d, "", 0, &fields) // it ends early where there is too much
	return fields
}

// walk reads one value.
func walk(d *json.Decoder, name string, depth int, fields *[]field) error {
	token, err := d.Token()
	if err != nil {
		return err
	}
	if len(*fields) >= mostFields || depth > deepest {
		*fields = append(*fields, field{Depth: depth, Name: "…", Value: "there is more"})
		return fmt.Errorf("more than is shown")
	}
	delim, composed := token.(json.Delim)
	if !composed {
		if token != nil {
			*fields = append(*fields, field{depth, label(name), fmt.Sprint(token)})
		}
		return nil
	}
	if name != "" {
		*fields = append(*fields, field{Depth: depth, Name: label(name)})
		depth++
	}
	for i := 1; d.More(); i++ {
		key := fmt.Sprintf("%d.", i)
		if delim == '{' {
			token, err := d.Token()
			if err != nil {
				return err
			}
			key = token.(string)
		}
		if err := walk(d, key, depth, fields); err != nil {
			return err
		}
	}
	_, err = d.Token()
	return err
}

// label makes words of a name in JSON: oldestUnacked becomes oldest unacked.
func label(name string) string {
	var b strings.Builder
	var before rune
	for _, r := range name {
		if r >= 'A' && r <= 'Z' && before >= 'a' && before <= 'z' {
			b.WriteByte(' ')
			r += 'a' - 'A'
		}
		b.WriteRune(r)
		before = r
	}
	return b.String()
}
