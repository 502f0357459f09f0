package page

import (
	"cmp"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

// Order has the program do what a command has it do that posts the parameters to a path of the
// admin address, such as /pause. It is given the request of the browser.
type Order func(r *http.Request, path string, parameters url.Values) Ordered

// Ordered is what came of an order.
type Ordered struct {
	Code    int         // as a command gets it; from 400 on it failed
	Line    string      // what was done, or why it failed
	Known   []string    // what there is instead
	Refused bool        // nothing has begun, whatever Code is; below 500 nothing has either
	Instead string      // a command that reaches a process that can do it; empty: none is known
	Replay  *api.Replay // of a replay that was only counted
}

const (
	// orderPath is where the forms of pages that act are sent to.
	orderPath = "/status/order"
	// mostForm bounds a form, in bytes.
	mostForm = 16 << 10
	// mostName is how long the name of a target may be, in bytes; orders of longer ones are
	// refused.
	mostName = 400
	// retryWait is how long the answer to a form waits for dead letters; they go on after that.
	retryWait = "3s"
)

// form is a kind of form, by the value of its field do.
type form struct {
	path   string   // where a command would post it
	fields []string // that it may have
	signed bool     // it says who asks
	counts bool     // nothing is done yet: the answer asks whether it is to be
}

var (
	replayFields = []string{"cluster", "resource", "namespace", "name", "labels", "route"}
	forms        = map[string]form{
		"pause":  {path: "/pause", fields: []string{"cluster", "resource", "route", "mode", "for", "reason", "by"}, signed: true},
		"resume": {path: "/resume", fields: []string{"cluster", "resource", "route", "by"}, signed: true},
		"count":  {path: "/replay", fields: replayFields, counts: true},
		"replay": {path: "/replay", fields: replayFields},
		"retry":  {path: "/dead-letter/retry", fields: []string{"route"}},
	}
)

// act gives the orders of forms. What was done is told on the page where the form is, to which the
// answer leads, so that to load that page again orders nothing.
func (p *Page) act(order Order) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		show := func(a answer) {
			p.serve(view{make: func(*snapshot, *http.Request) answer { return a }, acts: true, atOnce: true}).ServeHTTP(w, r)
		}
		f, given, code, err := readForm(w, r)
		if err != nil {
			show(failure(code, "Nothing was ordered", err.Error()))
			return
		}
		back := backTo(given)
		said := order(r, f.path, f.parameters(given))
		failed := said.Code >= http.StatusBadRequest
		nothing := f.counts || failed && (said.Refused || said.Code < http.StatusInternalServerError)
		if !nothing {
			p.keeper.forget() // the page that follows shows what has changed
		}
		switch {
		case failed:
			a := failure(said.Code, "Nothing was ordered", said.Line, said.Known...)
			if !nothing {
				a.title = "It may have begun"
			}
			a.data = after{Back: back, Instead: said.Instead}
			show(a)
		case f.counts && said.Replay != nil:
			show(confirmation(given, said, back))
		default:
			guard(w.Header())
			w.Header().Set("Cache-Control", "no-store")
			w.Header().Set("Location", withResult(back, p.results.add(said.Line)))
			w.WriteHeader(http.StatusSeeOther)
		}
	})
}

// after is what the template of a failure is given of an order.
type after struct{ Back, Instead string }

// readForm reads the form that was sent, with the status of an answer if it is none.
func readForm(w http.ResponseWriter, r *http.Request) (f form, given url.Values, code int, err error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return f, nil, http.StatusUnsupportedMediaType, errors.New("this address takes the forms of the status page; programs post to the addresses of the commands, such as /pause")
	}
	r.Body = http.MaxBytesReader(w, r.Body, mostForm)
	if err := r.ParseForm(); err != nil {
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			return f, nil, http.StatusRequestEntityTooLarge, fmt.Errorf("the form is larger than %d bytes", mostForm)
		}
		return f, nil, http.StatusBadRequest, errors.New("the form cannot be read: send it again")
	}
	given = r.PostForm
	f, known := forms[given.Get("do")]
	if !known {
		return f, nil, http.StatusBadRequest, errors.New("the form does not say what to do: open the page again")
	}
	for name, values := range given {
		if name != "do" && !slices.Contains(f.fields, name) || len(values) > 1 {
			return f, nil, http.StatusBadRequest, fmt.Errorf("the form has the field %s too many: open the page again", visible(name, 100))
		}
		if name != "cluster" && name != "resource" && name != "route" { // somebody has typed it
			values[0] = strings.TrimSpace(values[0])
		}
	}
	if f.signed && given.Get("by") == "" {
		return f, nil, http.StatusBadRequest, errors.New("who asks? Give your name, which others see beside the order")
	}
	return f, given, 0, nil
}

// parameters are those with which a command would ask for the same.
func (f form) parameters(given url.Values) url.Values {
	q := url.Values{}
	for _, name := range f.fields {
		if value := given.Get(name); value != "" {
			q.Set(name, value)
		}
	}
	switch {
	case f.path == "/dead-letter/retry":
		return url.Values{"wait": {retryWait}} // they are of all routes
	case f.path == "/replay" && f.counts:
		q.Set("dryRun", "true")
	case f.path != "/replay" && q.Has("resource"):
		q.Set("stream", q.Get("cluster")+"/"+q.Get("resource"))
		q.Del("cluster")
		q.Del("resource")
	}
	return q
}

// backTo is the address of the page where a form is.
func backTo(given url.Values) string {
	switch {
	case given.Get("cluster") != "":
		return addressOf("clusters", "cluster", given.Get("cluster"))
	case given.Get("route") != "":
		return addressOf("routes", "route", given.Get("route"))
	}
	return "/status"
}

// confirm is what the template of a question is given.
type confirm struct {
	Line   string
	Replay *api.Replay
	Fields []field // of the form that has it done
	Offer  bool    // something would be delivered
	Back   string
}

// confirmation asks whether what was counted is to be delivered.
func confirmation(given url.Values, said Ordered, back string) answer {
	c := confirm{Line: said.Line, Replay: said.Replay, Offer: wouldDeliver(given, said.Replay), Back: back}
	command := "kubectl fairlead replay"
	for _, name := range replayFields {
		value := given.Get(name)
		if value == "" {
			continue
		}
		c.Fields = append(c.Fields, field{Name: name, Value: value})
		command += " --" + strings.Replace(name, "labels", "selector", 1) + "=" + quoted(visible(value, mostText))
	}
	return answer{code: http.StatusOK, title: "Deliver again?", template: "confirm", json: said.Replay, data: c, command: command}
}

// wouldDeliver reports whether a replay that was counted would deliver something: now, when what it
// waits for comes, or, to one route, what that has never had and nobody has counted.
func wouldDeliver(given url.Values, counted *api.Replay) bool {
	all := given.Get("namespace") == "" && given.Get("name") == "" && given.Get("labels") == ""
	return counted.Objects == nil && counted.Streams > 0 || counted.Objects != nil && *counted.Objects > 0 || len(counted.Waiting) > 0 ||
		given.Get("route") != "" && all && counted.Streams > 0
}

// canBeOrdered reports whether orders can be of something with that name. Empty stands for
// something that has a name of its own.
func canBeOrdered(name string) bool { return len(name) <= mostName && printable(name) }

// ordering is what the templates of forms are given.
type ordering struct{ JSON, Data any }

func formOf(shown, data any) ordering { return ordering{shown, data} }

// resumption is what the template of a form is given that ends a pause.
type resumption struct {
	I     int // its number on the page
	Pause *api.Pause
}

func resumptionOf(i int, of any) resumption {
	if p, ok := of.(api.Pause); ok {
		return resumption{i, &p}
	}
	p, _ := of.(*api.Pause)
	return resumption{i, p}
}

// withResult is the address of a page that tells what came of an order.
func withResult(address, id string) string {
	sign := "?"
	if strings.Contains(address, "?") {
		sign = "&"
	}
	return address + sign + resultName + "=" + id
}

// withoutResult is the address of the same page that does not.
func withoutResult(u *url.URL) *url.URL {
	q := u.Query()
	if !q.Has(resultName) {
		return u
	}
	q.Del(resultName)
	return &url.URL{Path: cmp.Or(u.Path, "/"), RawPath: u.RawPath, RawQuery: q.Encode()}
}
