// Package fhirpath compiles FHIRPath (https://hl7.org/fhirpath/N1/, with the functions that FHIR R4 adds) once and
// evaluates it over resources as they were received: the flat tree of package fhir. Nothing is decoded into
// structs, so extensions on primitives, contained resources and elements that a model does not know stay reachable.
//
// # What is refused
//
// Compile refuses what the package does not support, with line, column and the nearest supported way. That covers
// unknown functions and %variables, element names that neither R4 nor the STU3 of e-RS has, paths that cannot exist
// where the type is known (Encounter.name), and orders that are not defined (children().first()). What is left for
// Eval to refuse depends on the data: more than one item where FHIRPath wants one, or operands that do not fit.
//
// # Choice types
//
// An element such as value[x] is written value; ofType, as and is look at its type. The JSON spelling (valueCoding)
// works too where the path does not start with a type name, and on extensions; it is refused in
// Observation.valueQuantity, as FHIRPath demands.
//
// # Deviations that are accepted in data
//
// A single object where FHIR has a list is a list of one (e-RS sends Appointment.participant.type so).
//
// # How it works
//
//	text -> lexer -> parser -> tree -> compiler (checks against the model) -> closures -> Eval on a stack
//
// Every closure reads a span of the stack and leaves its result on top of it; nothing else is allocated for paths,
// filters and comparisons.
package fhirpath
