"""What several forms of export say alike: a published footprint as a line, as a process, as a data set.

Pure. Nothing here knows a file format but ILCD's, which has two: XML, and TIDAS in JSON.
"""
