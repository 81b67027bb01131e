/* SPDX-License-Identifier: MIT */
/* interface - the text of the interfaces as the socket describes them, made from *.varlink at build
 * time. */
#pragma once

extern const char interface_lookout[]; /* org.lookoutd.Lookout1.varlink, byte for byte */
extern const char interface_service[]; /* org.varlink.service.varlink */
