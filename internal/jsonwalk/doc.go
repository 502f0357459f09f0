// Package jsonwalk reads single values out of JSON in place: it decodes nothing and
// allocates nothing.
//
//	object ──▶ Value ──▶ Members, Elements ──▶ Value ──▶ Bytes, Raw, Text
//
// It is for text that is known to be JSON, such as an object that was scanned when it
// was read: it looks for the ends of values and for nothing else. Of other text it
// makes something, or says that there is nothing, but it always ends, and it never
// leaves the text. In an object that has a key twice, the first one is found.
//
// Whatever a function returns points into the text, which must not change meanwhile.
// Everything may be called concurrently.
package jsonwalk
