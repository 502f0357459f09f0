package page

import (
	"bytes"
	"compress/gzip"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

//go:embed templates
var sources embed.FS

var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"things": things, "text": text, "short": short, "age": age, "due": due, "seconds": seconds, "count": count, "size": size, "rate": perSecond, "mark": mark, "value": value,
	"spark": spark, "halved": halved, "largest": largest, "asset": assetURL, "at": moment, "level": levelOf, "add": func(a, b int) int { return a + b },
	"ratio":   func(a, b uint64) string { return perSecond(float64(a) / float64(max(b, 1))) },
	"share":   func(v float64) string { return strconv.FormatFloat(v*100, 'f', 0, 64) + " %" },
	"cluster": func(name string) string { return addressOf("clusters", "cluster", name) },
	"route":   func(name string) string { return addressOf("routes", "route", name) },
	"explain": func(cluster string) string { return "/status/object?cluster=" + url.QueryEscape(cluster) },
	"list": func(filter string) string {
		return (&table{filter: filter, sort: "trouble", perPage: defaultLines}).with("trouble", 1)
	},
	"first": func(all any) any {
		v := reflect.ValueOf(all)
		return v.Slice(0, min(v.Len(), mostRows)).Interface()
	},
	"more": func(all any) int { return max(reflect.ValueOf(all).Len()-mostRows, 0) },
	"iso":  func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"most": func(a, b float64) float64 { return max(a, b) },
	"can":  canBeOrdered,
	"form": formOf, "resume": resumptionOf,
}).ParseFS(sources, "templates/*.html"))

// addressOf returns where the page of a cluster or a route is. Browsers take . and .. out of paths,
// however they are escaped, so these names are parameters.
func addressOf(kind, one, name string) string {
	if name == "." || name == ".." || name == "" {
		return "/status/" + one + "?name=" + url.QueryEscape(name)
	}
	return "/status/" + kind + "/" + url.PathEscape(name)
}

// nameOf returns whose page is asked for: see addressOf.
func nameOf(r *http.Request) string {
	if name := r.PathValue("name"); name != "" {
		return name
	}
	return r.URL.Query().Get("name")
}

// mostRows bounds the tables of a page that has no parameter for that.
const mostRows = 100

// moment is a time of day, with its date if that is another one than at's.
func moment(at, t time.Time) string {
	at, t = at.UTC(), t.UTC()
	if at.Format(time.DateOnly) == t.Format(time.DateOnly) {
		return t.Format("15:04:05")
	}
	return t.Format("2006-01-02 15:04:05")
}

// view is one kind of page.
type view struct {
	make  func(s *snapshot, r *http.Request) answer
	every time.Duration // between two events; 0: the page cannot be followed
	slow  bool          // it asks others before its turn, and bounds by itself how many do so at once
	acts  bool          // it has buttons

	// atOnce has no turn: what was done must be told. It is little work.
	atOnce bool
}

// answer is what a view shows.
type answer struct {
	code     int
	title    string
	template string // of the content
	json     any    // for those who ask for JSON
	data     any    // for the template, beside json
	command  string // that shows the same
	refresh  bool   // it is worth being followed
}

// frame is what templates are given.
type frame struct {
	At      time.Time
	Title   string
	JSON    any
	Data    any
	Command string
	Version string
	Path    string // of the view
	Follow  string // what sends events; empty: nothing does
	Acts    bool   // there are buttons
	Result  result // of an order that was given before; without a line: there is none
	Content template.HTML
}

// serve answers with a view, in the form that is asked for.
func (p *Page) serve(v view) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		guard(w.Header())
		w.Header().Set("Vary", "Accept, Accept-Encoding")
		form := wanted(r.Header.Get("Accept"))
		if form == events && v.every > 0 && r.Method == http.MethodGet {
			// Others may follow the page when this reader has gone.
			asked := r.Clone(context.WithoutCancel(r.Context()))
			p.feed.follow(w, r, v, func(s *snapshot) ([]byte, error) {
				content, _, err := p.content(s, v, asked)
				return content, err
			})
			return
		}
		content, kind, code, zipped, err := p.made(v, r, form)
		switch {
		case errors.Is(err, errBusy):
			w.Header().Set("Retry-After", "5")
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		case err != nil:
			p.opts.Log.Error(err, "Could not make a status page", "path", visible(r.URL.Path, 200))
			http.Error(w, "this page could not be made; the log says why", http.StatusInternalServerError)
			return
		}
		h := w.Header()
		h.Set("Content-Type", kind)
		h.Set("Cache-Control", "no-store")
		if zipped {
			h.Set("Content-Encoding", "gzip")
		}
		h.Set("Content-Length", strconv.Itoa(len(content)))
		w.WriteHeader(code)
		_, _ = w.Write(content) // who asked may have gone
	})
}

// patience is how long a request waits for its turn.
const patience = 3 * time.Second

var errBusy = fmt.Errorf("%d pages are being made, and others wait; ask again", mostAtOnce)

// made makes a page when it is its turn, and compresses it if who asks takes that. The turn ends
// before anything is written: a reader that does not read keeps no other from its page.
func (p *Page) made(v view, r *http.Request, form int) (content []byte, kind string, code int, zipped bool, err error) {
	if v.slow {
		said := v.make(p.keeper.snapshot(), r)
		v.make = func(*snapshot, *http.Request) answer { return said }
	}
	if !v.atOnce {
		timer := time.NewTimer(patience)
		defer timer.Stop()
		select {
		case p.making <- struct{}{}:
			defer func() { <-p.making }()
		case <-timer.C:
			return nil, "", 0, false, errBusy
		case <-r.Context().Done():
			return nil, "", 0, false, errBusy
		}
	}
	s := p.keeper.snapshot()
	var body bytes.Buffer
	var a answer
	if kind = "text/html; charset=utf-8"; form == jsonForm {
		kind = "application/json"
		a = v.make(s, r)
		e := json.NewEncoder(&body)
		e.SetIndent("", "  ")
		err = e.Encode(a.json)
	} else {
		err = p.document(&body, &a, s, v, r)
	}
	content = body.Bytes()
	if zipped = err == nil && len(content) > 1<<10 && takesGzip(r); zipped {
		content = zip(content, gzip.BestSpeed)
	}
	return content, kind, a.code, zipped, err
}

// content makes the part of a page that changes.
func (p *Page) content(s *snapshot, v view, r *http.Request) ([]byte, answer, error) {
	a := v.make(s, r)
	var b bytes.Buffer
	err := templates.ExecuteTemplate(&b, a.template, frame{At: s.at, Title: a.title, JSON: a.json, Data: a.data, Command: a.command, Version: p.opts.Version, Acts: v.acts})
	return b.Bytes(), a, err
}

func (p *Page) document(to *bytes.Buffer, a *answer, s *snapshot, v view, r *http.Request) error {
	content, made, err := p.content(s, v, r)
	if err != nil {
		return err
	}
	*a = made
	f := frame{
		At: s.at, Title: made.title, Version: p.opts.Version, Path: r.URL.Path, Command: made.command, Acts: v.acts,
		Content: template.HTML(content), //nolint:gosec // A template has made it.
	}
	if v.every > 0 && made.refresh {
		f.Follow = withoutResult(r.URL).RequestURI()
	}
	if v.acts && r.Method == http.MethodGet {
		f.Result = p.results.of(r.URL.Query().Get(resultName))
	}
	return templates.ExecuteTemplate(to, "document", f)
}

// failure is the answer to what cannot be shown.
func failure(code int, title, why string, known ...string) answer {
	return answer{code: code, title: title, template: "failure", json: api.Error{Error: why, Known: known}}
}

func (p *Page) nothing(_ *snapshot, r *http.Request) answer {
	return failure(http.StatusNotFound, "Not found", "there is no page at "+visible(r.URL.Path, 200),
		"/status", "/status/clusters", "/status/clusters/NAME", "/status/routes/NAME", "/status/object")
}

// The forms of an answer.
const (
	html = iota
	jsonForm
	events
)

// wanted returns the form that a header Accept likes best; HTML where it likes others as
// much or says nothing.
func wanted(accept string) int {
	form, best := html, 0.
	for one := range strings.SplitSeq(accept, ",") {
		kind, parameters, _ := strings.Cut(one, ";")
		q := 1.
		for parameter := range strings.SplitSeq(parameters, ";") {
			if value, has := strings.CutPrefix(strings.TrimSpace(parameter), "q="); has {
				q, _ = strconv.ParseFloat(value, 64)
			}
		}
		var of int
		switch strings.ToLower(strings.TrimSpace(kind)) {
		case "text/html", "application/xhtml+xml":
			of = html
		case "application/json":
			of = jsonForm
		case "text/event-stream":
			of = events
		default:
			continue
		}
		if q > best || q == best && of == html {
			form, best = of, q
		}
	}
	return form
}
