package app

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"testing"
)

// manyReaders is how many read at once.
const manyReaders = 50

// startReaders starts a process with fifty readers of one kind, all of which have begun when it
// returns. They read until end is called.
func startReaders(t testing.TB, kind, address string) (end func()) {
	t.Helper()
	self := must(os.Executable())(t)
	cmd := exec.Command(self, kind, address) // it ends with its standard input
	cmd.Env = append(os.Environ(), asChild+"=readers")
	cmd.Stderr = os.Stderr
	in := must(cmd.StdinPipe())(t)
	out := must(cmd.StdoutPipe())(t)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	end = func() {
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		end()
		t.Fatalf("%s have not begun: %q, %v", kind, line, err)
	}
	return end
}

// runReaders opens readers of a program, says so, and reads until its standard input ends.
func runReaders(kind, address string) error {
	c := &http.Client{Transport: &http.Transport{DisableCompression: true}}
	for i := range 2 * manyReaders {
		path, accept, of := tailOf(i/2), "*/*", "tails"
		if i%2 != 0 {
			path, accept, of = pageOf(i/2), "text/event-stream", "pages"
		}
		if kind != of && kind != "both" {
			continue
		}
		r, err := http.NewRequest(http.MethodGet, "http://"+address+path, nil) // it ends with the process
		if err != nil {
			return err
		}
		r.Header.Set("Accept", accept)
		resp, err := c.Do(r)
		if err != nil {
			return err
		}
		if resp.StatusCode != http.StatusOK {
			return errors.New(path + ": " + resp.Status)
		}
		go func() {
			defer resp.Body.Close()
			_, _ = io.Copy(io.Discard, resp.Body) // until the process ends
		}()
	}
	fmt.Println("ready")
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

// tailOf is the address of a tail: half of them show objects, and three of four have filters.
func tailOf(i int) string {
	q := url.Values{}
	switch cluster := floodCluster(i % readersLanes); i % 8 {
	case 0, 4: // all that comes
	case 1, 5:
		q.Set("cluster", cluster+","+floodCluster(100+i))
		q.Set("op", "updated,deleted")
	case 2, 6:
		q.Set("objects", "true")
		q.Set("cluster", cluster)
		q.Set("namespace", "n")
	case 3:
		q.Set("objects", "true")
		q.Set("resource", "pods")
	case 7:
		q.Set("objects", "true")
		q.Set("where", "pods: object.spec.x.startsWith('aaa') && object.metadata.name == 'p'")
	}
	return "/tail?" + q.Encode()
}

// pageOf is the address of a page: a third of them are the overview, which is the same for all,
// and the others are different ones.
func pageOf(i int) string {
	switch i % 3 {
	case 0:
		return "/status"
	case 1:
		return "/status/clusters?" + url.Values{"filter": {fmt.Sprintf("c0%d", i)}, "sort": {"-lag"}}.Encode()
	default:
		return "/status/clusters/" + floodCluster(i)
	}
}
