// Package ers speaks the NHS e-Referral Service FHIR API (STU3) in application-restricted mode: sign-in with a signed
// JWT, the two provider worklists, single referrals, the gated write operations; and it turns what e-RS sends
// into FHIR R4.
//
// The protocol is that of https://github.com/NHSDigital/e-referrals-service-api (specification/ and proxies/); the
// endpoint numbers in this package, A005 and so on, are those of that specification.
package ers
