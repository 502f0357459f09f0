package batch

// learn takes a write of n changes, which took t seconds, into the sums.
func (w *window) learn(n, t float64) {
	a, c := w.line()
	expected, odd := a+c*n, 0
	switch {
	case w.weight < 4 || max(t, expected) <= windowFree.Seconds():
		// Nothing is expected yet, or it is all the same.
	case t > windowOdd*expected:
		odd = 1
	case t*windowOdd < expected:
		odd = -1
	}
	last := w.odd
	w.odd = odd
	switch {
	case odd == 0:
	case odd != last:
		return
	default:
		w.weight, w.n, w.nn, w.t, w.nt, w.odd = 0, 0, 0, 0, 0, 0
		w.rest, w.rests = 0, 0
	}
	for _, sum := range []*float64{&w.weight, &w.n, &w.nn, &w.t, &w.nt} {
		*sum *= 1 - 1.0/windowSamples
	}
	w.weight++
	w.n += n
	w.nn += n * n
	w.t += t
	w.nt += n * t
}

// isSpread tells whether the writes were of sizes that are different enough.
func (w *window) isSpread() bool {
	return w.weight*w.nn-w.n*w.n >= windowSpread*w.weight*w.nn
}

// line returns the seconds that a write takes, and those that each change adds;
// neither is negative. Where that cannot be told apart, changes take all of it.
func (w *window) line() (a, c float64) {
	if w.weight == 0 {
		return 0, 0
	}
	if !w.isSpread() {
		return 0, w.t / w.n
	}
	c = max((w.weight*w.nt-w.n*w.t)/(w.weight*w.nn-w.n*w.n), 0)
	a = max((w.t-c*w.n)/w.weight, 0)
	if a == 0 {
		c = w.t / w.n
	}
	return a, c
}
