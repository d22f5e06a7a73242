"""A workbook as openpyxl reads it: {sheet: rows of [value, type]}."""

import json
import sys

import openpyxl

book = openpyxl.load_workbook(sys.argv[1])
sheets = {
    sheet.title: [[[str(cell.value), cell.data_type] for cell in row] for row in sheet]
    for sheet in book
}
print(json.dumps(sheets))
